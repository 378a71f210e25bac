import type { Account } from "@muster/contracts";
import { describe, expect, it } from "vitest";
import { isClosed, outcomeJson, outcomeText } from "../src/demo/report.ts";

const account: Account = {
  published: 10,
  done: 8,
  dead: 2,
  dead_by_reason: { permanent: 1, invalid: 1 },
  done_by_language: { ts: 5, go: 3 },
  lost: [],
  repeated: [],
  invented: [],
};
const outcome = { account, replayed: 1, killed: 1, seconds: 9.5 };

describe("the report of the demo", () => {
  it("is an object with exactly the promised fields", () => {
    expect(outcomeJson(outcome)).toEqual({
      published: 10,
      done: 8,
      dead: 2,
      dead_by_reason: { permanent: 1, invalid: 1 },
      replayed: 1,
      lost: 0,
      repeated: 0,
      done_by_language: { ts: 5, go: 3 },
      killed: 1,
      seconds: 9.5,
    });
  });

  it("says that the account closes", () => {
    expect(isClosed(account)).toBe(true);
    expect(outcomeText(outcome)).toMatch(/done +8 +80.0 %/);
    expect(outcomeText(outcome)).toContain("The account closes");
  });

  it.each(["lost", "repeated", "invented"] as const)("names the events that are %s", (what) => {
    const ids = Array.from({ length: 12 }, (_, i) => `event-${i}`);
    const bad = { ...account, [what]: ids };
    expect(isClosed(bad)).toBe(false);
    const text = outcomeText({ ...outcome, account: bad });
    expect(text).toContain(`${what}: event-0, `);
    expect(text).toContain("and 2 more");
    expect(text).toContain("The account does not close");
  });
});
