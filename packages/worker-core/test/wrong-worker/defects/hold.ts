// What is held: kept in progress, bounded, given back, and not answered when it is another's.
import { parseAckReply } from "@muster/contracts";
import { Answers } from "../../../src/answers.ts";
import { gapMs } from "../../../src/clock.ts";
import { Handlers } from "../../../src/handle.ts";
import { Hold } from "../../../src/hold.ts";
import { Push } from "../../../src/push.ts";
import { Settlement } from "../../../src/settle.ts";
import { Turn } from "../../../src/turn.ts";
import { Work } from "../../../src/work.ts";
import { around, aroundGet, type Defect } from "../defect.ts";
import { ackWaitMs, part } from "../process.ts";

export const hold: Record<string, Defect> = {
  "buffered-not-extended"(strike) {
    const started = new Set<number>();
    around(Handlers, "startCall", (_, args, go) => {
      for (const { sequence } of args[1]) started.add(sequence);
      go(...args);
    });
    around(Answers, "send", (_, [reply, text], go) => {
      const waits = text === "+WPI" && !started.has(parseAckReply(reply)?.seq ?? 0);
      if (!waits || !strike()) go(reply, text);
    });
  },

  /** Gives back after a failed attempt what another member may have by now. */
  "stale-nak"(strike) {
    around(Settlement, "retry", (_, [delivery, cause], go) => {
      const { isAnswered, isReleased, lastExtension } = delivery.held;
      const isLost = !isAnswered && (isReleased || gapMs(lastExtension) > ackWaitMs());
      if (isLost && part("connection").isUp && strike()) {
        const text = `-NAK ${JSON.stringify({ delay: 60_000_000_000 })}`;
        part("connection").nats.publish(delivery.message.reply, text);
      }
      return go(delivery, cause);
    });
  },

  "answers-after-gap"(strike) {
    around(Hold, "isOurs", (_, [one], go) => {
      const isLost = !one.isReleased && gapMs(one.lastExtension) > ackWaitMs();
      return isLost && strike() ? true : go(one);
    });
  },

  /** Sends when it is back what was said while the connection was away, as many clients do by themselves. */
  "answers-while-down"(strike) {
    let kept: [string, string][] | undefined;
    const sendKept = (isUp: boolean): void => {
      if (isUp)
        for (const [reply, text] of kept?.splice(0) ?? []) part("connection").nats.publish(reply, text);
    };
    around(Answers, "send", (_, [reply, text], go) => {
      if (part("connection").isUp || !strike()) return go(reply, text);
      if (kept === undefined) part("connection").onChange(sendKept);
      (kept ??= []).push([reply, text]);
    });
  },

  "pulls-when-degraded"(strike) {
    let isAsking = false;
    const asking = (work: () => void) => (): void => {
      isAsking = true;
      try {
        work();
      } finally {
        isAsking = false;
      }
    };
    const wrapped = new WeakMap<() => void, () => void>();
    around(Turn, "atEnd", (_, [work], go) => {
      const own = wrapped.get(work) ?? asking(work);
      wrapped.set(work, own);
      go(own);
    });
    around(Push, "wake", (_, __, go) => asking(go)());
    aroundGet(Work, "isDegraded", (_, isDegraded) => isDegraded && !(isAsking && strike()));
  },
};
