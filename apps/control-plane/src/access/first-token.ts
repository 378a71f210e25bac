// The first admin token, made once for all control planes and shown once.
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";
import type { NatsLink } from "../nats/connection.ts";
import { createToken } from "./tokens.ts";

const FIRST = "firstadmin";
const RETRY_MS = 500;

/**
 * Makes it as soon as NATS is there, unless it was ever made, and gives it to `show`. Whoever is killed between the
 * two has it made and seen by nobody: `create-token` makes another.
 */
export async function offerFirstToken(
  nats: NatsLink,
  show: (token: string) => void,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<void> {
  let said = "";
  while (!signal.aborted) {
    try {
      if (nats.isUp) {
        const made = await createToken(nats.current(), { name: "first admin", role: "admin" }, FIRST);
        if (made !== undefined) show(made.token);
        return;
      }
    } catch (error) {
      const text = String(error);
      if (text !== said) log.warn({ error: text }, "tokens cannot be read");
      said = text;
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
