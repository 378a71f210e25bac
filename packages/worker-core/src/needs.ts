import type { PermissionViolationError } from "@nats-io/transport-node";
import type { WorkerConfig } from "./config.ts";

/**
 * Whether a member cannot work without what the server refused it: what it subscribes to and publishes by itself. Not
 * what a handler does, nor what came with a message: who sends one could otherwise end the member.
 */
export function isNeeded(
  { operation, subject, queue }: Pick<PermissionViolationError, "operation" | "subject" | "queue">,
  { stream, group, apiPrefix, inboxPrefix = "_INBOX" }: Needy,
): boolean {
  const tokens = subject.split(".");
  const begins = (...start: string[]) =>
    start.every((token, index) => token === "*" || token === tokens[index]);
  if (operation === "subscription") {
    return (
      queue === group ||
      begins(...inboxPrefix.split(".")) ||
      begins("muster", "member", stream, group) ||
      begins("muster", "push", stream, group)
    );
  }
  return (
    begins(...apiPrefix.split(".")) ||
    subject.startsWith("$KV.MUSTER_") ||
    begins("muster", "dlq", stream, group) ||
    begins("$JS", "ACK", stream, group) ||
    begins("$JS", "ACK", "*", "*", stream, group)
  );
}

type Needy = Pick<WorkerConfig, "stream" | "group" | "apiPrefix" | "inboxPrefix">;
