import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";
import type { WorkerConfig } from "./config.ts";

export type { Logger };

/** A logger whose lines carry the field names every language uses. */
export function createLog(
  config: Pick<WorkerConfig, "stream" | "group" | "workerId" | "logLevel">,
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { stream: config.stream, group: config.group, member: config.workerId, language: "ts" },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
