import type { PermissionViolationError } from "@nats-io/transport-node";
import type { Fifo } from "./fifo.ts";
import { notSent, PublishError, unknownOutcome } from "./publish-error.ts";
import type { Item } from "./publish-item.ts";

// How messages end that get no answer: they have waited too long, their answers are lost, or there will be none.

/** Ends those that have waited too long for their turn; they are in the order of their time. */
export function failWaiting(waiting: Fifo<Item>, isOverdue: (item: Item) => boolean, why: string): void {
  for (let item = waiting.peek(); item !== undefined && isOverdue(item); item = waiting.peek()) {
    waiting.shift();
    item.reject(notSent(item, why));
  }
}

/** Ends those that were sent and whose answer is overdue. */
export function failOverdue(sent: Map<string, Item>, now: number, why: string): void {
  for (const [reply, item] of sent) {
    if (now >= item.until) {
      sent.delete(reply);
      item.reject(unknownOutcome(item, why));
    }
  }
}

/** Ends all that were sent: their answers are lost with the connection. */
export function failSent(sent: Map<string, Item>, why: string): void {
  const items = [...sent.values()];
  sent.clear();
  for (const item of items) {
    item.reject(unknownOutcome(item, why));
  }
}

/** Ends those that the server does not permit: it does not answer them. */
export function failForbidden(
  sent: Map<string, Item>,
  { operation, subject, message }: PermissionViolationError,
): void {
  for (const [reply, item] of sent) {
    if (operation === "publish" && item.subject === subject) {
      sent.delete(reply);
      item.reject(new PublishError("refused", item, message));
    }
  }
}

/** Ends those that will not be sent any more. */
export function failUnsent(items: readonly Item[], why: string): void {
  for (const item of items) {
    item.reject(notSent(item, why));
  }
}
