// How a message is read: its contract, its body, its subject.
import { Contracts, type Verdict } from "../../../src/contracts.ts";
import { Message } from "../../../src/message.ts";
import { around, aroundGet, type Defect, type Strike } from "../defect.ts";
import { replaySubjects } from "../process.ts";

export const messages: Record<string, Defect> = {
  /** Reads what begins with a byte order mark, and numbers that JSON does not have. */
  "loose-json"(strike) {
    around(Contracts, "loaded", (_, [name], go) => loose(go(name), strike));
    around(Contracts, "verdict", async (_, [name], go) => loose(await go(name), strike));
  },

  "replay-prefix-kept"(strike) {
    aroundGet(Message, "subject", (message, subject) => {
      const own = replaySubjects.get(message.reply);
      return own !== undefined && own !== subject && strike() ? own : subject;
    });
  },
};

function loose(judge: Verdict | undefined, strike: Strike): Verdict | undefined {
  return (
    judge &&
    ((bytes) => {
      const verdict = judge(bytes);
      if (verdict.ok || (verdict.code !== "bom" && verdict.code !== "json")) return verdict;
      try {
        // The decoder takes the mark away.
        const text = new TextDecoder().decode(bytes).replaceAll(/\b(NaN|Infinity)\b/g, "null");
        const value: unknown = JSON.parse(text);
        return strike() ? { ok: true, value } : verdict;
      } catch {
        return verdict;
      }
    })
  );
}
