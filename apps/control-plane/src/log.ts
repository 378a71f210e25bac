// The control plane's log: JSON lines on stdout, constant messages, data in fields.
import { pino } from "pino";
import type { Config } from "./config.ts";

/** The part of pino that the control plane uses. */
export type Log = Pick<ReturnType<typeof createLog>, "debug" | "info" | "warn" | "error">;

/** A logger with the fields and level names that the workers' logs have too. */
export function createLog(level: Config["logLevel"]) {
  return pino({
    level,
    base: { service: "control-plane" },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  });
}
