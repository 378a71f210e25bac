import type { PermissionViolationError } from "@nats-io/transport-node";
import type { WorkerConfig } from "./config.ts";

/**
 * Whether a member cannot work without what the server refused: all that it subscribes to, and what it publishes by
 * itself. Not what came with a message: who sends one could otherwise end the member.
 */
export function isNeeded(
  { operation, subject }: Pick<PermissionViolationError, "operation" | "subject">,
  { stream, group, apiPrefix }: Pick<WorkerConfig, "stream" | "group" | "apiPrefix">,
): boolean {
  const tokens = subject.split(".");
  const begins = (...start: string[]) =>
    start.every((token, index) => token === "*" || token === tokens[index]);
  return (
    operation === "subscription" ||
    begins(...apiPrefix.split(".")) ||
    subject.startsWith("$KV.MUSTER_") ||
    begins("muster", "dlq", stream, group) ||
    begins("$JS", "ACK", stream, group) ||
    begins("$JS", "ACK", "*", "*", stream, group)
  );
}
