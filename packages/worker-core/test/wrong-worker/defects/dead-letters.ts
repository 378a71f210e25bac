// What a dead letter says and keeps.
import { DeadLetters } from "../../../src/dead-letter.ts";
import { Dead } from "../../../src/dead.ts";
import type { Message } from "../../../src/message.ts";
import { around, type Defect, type Strike } from "../defect.ts";

export const deadLetters: Record<string, Defect> = {
  /** Writes the body anew from what it parsed. */
  "bytes-changed"(strike) {
    around(DeadLetters, "publish", (_, [reason, headers, body], go) => {
      const written = writtenAnew(body);
      const isOther = written !== undefined && Buffer.compare(written, body) !== 0;
      return go(reason, headers, isOther && strike() ? written : body);
    });
  },

  "nats-headers-copied"(strike) {
    changeHeaders(strike, (message, headers) => {
      const names = Object.keys(message.headers).filter(
        (name) => /^nats-/i.test(name) && name !== "Nats-Msg-Id",
      );
      if (names.length === 0) return undefined;
      const changed = { ...headers };
      for (const name of names) {
        delete changed[`Muster-Original-${name}`];
        changed[name] = message.headers[name] ?? "";
      }
      return changed;
    });
  },

  /** Finishes a dead row as if it said nothing but that it is dead. */
  "finish-without-reason"(strike) {
    around(Dead, "decided", (_, [delivery], go) => {
      const { decision, row } = delivery.lookUp;
      if (decision === "finish" && row !== undefined && strike()) {
        delivery.lookUp = { ...delivery.lookUp, row: { ...row, reason: "permanent", headers: {} } };
      }
      return go(delivery);
    });
  },
};

/** Changes the headers of a dead letter; `change` gives undefined where there is nothing to change. */
function changeHeaders(
  strike: Strike,
  change: (message: Message, headers: Record<string, string>) => Record<string, string> | undefined,
): void {
  around(DeadLetters, "headers", (_, args, go) => {
    const headers = go(...args);
    const changed = change(args[0], headers);
    return changed !== undefined && strike() ? changed : headers;
  });
}

function writtenAnew(body: Uint8Array): Uint8Array | undefined {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))));
  } catch {
    return undefined;
  }
}
