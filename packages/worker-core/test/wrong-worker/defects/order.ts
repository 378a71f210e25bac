// First what is durable, then the message, then cleaning up: the orders in which that goes wrong.
import { DeadLetters } from "../../../src/dead-letter.ts";
import { type Held, Hold } from "../../../src/hold.ts";
import { encodeResult } from "../../../src/result.ts";
import { Settlement } from "../../../src/settle.ts";
import { around, type Defect } from "../defect.ts";
import { held, part } from "../process.ts";

export const order: Record<string, Defect> = {
  "ack-before-effect"(strike) {
    const early = new WeakSet<Held>();
    around(Settlement, "returned", (_, [delivery, value], go) => {
      const hasRow = part("spec").last?.ledger !== "none";
      if (hasRow && encodeResult(value).ok && strike()) {
        early.add(delivery.held);
        part("connection").nats.publish(delivery.message.reply, "+ACK");
      }
      return go(delivery, value);
    });
    around(Hold, "ack", (self, [one], go) => {
      if (!early.has(one)) return go(one);
      self.release(one);
      one.isAnswered = true;
      return undefined;
    });
  },

  "term-before-letter"(strike) {
    around(DeadLetters, "publish", (_, [reason, headers, body], go) => {
      const one = held.get(Number(headers["Muster-Dlq-Seq"]));
      if (one !== undefined && strike()) part("hold").term(one, reason);
      return go(reason, headers, body);
    });
  },

  /** The dead letter is on its way when its row is not yet. */
  "letter-before-row"(strike) {
    const sent = new WeakMap<object, Promise<void>>();
    around(DeadLetters, "headers", (self, args, go) => {
      const [message, { reason }] = args;
      const headers = go(...args);
      // A conflict has no row.
      if (part("spec").last?.ledger !== "none" && reason !== "conflict" && strike()) {
        const publishing = self.publish(reason, headers, message.body);
        publishing.catch(() => undefined);
        sent.set(headers, publishing);
      }
      return headers;
    });
    around(DeadLetters, "publish", (_, args, go) => sent.get(args[1]) ?? go(...args));
  },

  /** Believes that a dead letter is stored when it was sent. */
  "no-puback"(strike) {
    around(DeadLetters, "publish", async (_, args, go) => {
      try {
        await go(...args);
      } catch (error) {
        if (!strike()) throw error;
      }
    });
  },

  /** What was done after the deadline is committed, and its ack swallowed, as libraries do after a nak. */
  "late-ack-swallowed"(strike) {
    around(Hold, "ack", (_, [one], go) => (one.isAnswered && strike() ? undefined : go(one)));
  },
};
