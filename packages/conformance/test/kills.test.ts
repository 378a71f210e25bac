import { expect } from "vitest";
import { closed, directive, scenarios } from "../src/index.ts";

// One member is killed where the step is passed for the first time, with neighbours in hand; another
// one finishes. What was durable before the kill must be used, what was not must be made again.
const kills = [
  { step: "received", does: directive("return"), done: 5, dead: {} },
  { step: "row_done", does: directive("return"), done: 5, dead: {} },
  { step: "row_dead", does: directive("permanent", { text: "no" }), done: 4, dead: { permanent: 1 } },
  { step: "dead_lettered", does: directive("permanent", { text: "no" }), done: 4, dead: { permanent: 1 } },
  { step: "attempt_recorded", does: directive("retryable", { times: 1, text: "once" }), done: 5, dead: {} },
] as const;

scenarios("a member killed at", (scenario) => {
  for (const { step, does, done, dead } of kills) {
    scenario(`${step} leaves nothing undone and nothing twice`, async ({ group }) => {
      const orders = await group({ concurrency: 4 });
      const first = await orders.publish({ headers: [does] });
      for (let n = 0; n < 4; n++) await orders.publish();

      const killed = orders.start("first", { MUSTER_CONFORMANCE_KILL_AT: step });
      expect(await killed.exited).toEqual({ code: null, signal: "SIGKILL" });
      const before = { row: await orders.row(first.eventId ?? ""), letters: await orders.deadLetters() };
      expect(orders.tap.settled.filter(({ seq }) => seq === first.seq)).toEqual([]);
      await orders.join("second");

      const account = await orders.account();
      expect(account).toMatchObject({ ...closed, published: 5, done, dead_by_reason: dead });
      const letters = await orders.deadLetters();
      expect(letters).toHaveLength(5 - done);
      const row = await orders.row(first.eventId ?? "");
      switch (step) {
        case "row_done":
          // Which of the five passed the step first is open; the row of that one is by the first member.
          expect((await orders.rows()).filter(({ value }) => value.member === "first").length).toBeGreaterThan(0);
          return;
        case "row_dead":
          expect(before.letters).toEqual([]);
          expect(row).toEqual(before.row);
          expect(letters[0]?.headers).toEqual(row?.value.headers);
          expect(letters[0]?.headers["Muster-Dlq-Member"]).toBe("first");
          return;
        case "dead_lettered":
          expect(before.letters).toHaveLength(1);
          expect(letters).toEqual(before.letters);
          return;
        case "attempt_recorded":
          expect(row?.value).toMatchObject({ status: "done", member: "second" });
          // The attempt was on record, so its message is no suspect and is not counted again.
          expect(orders.tap.story(first.seq)).toBe("ack 2");
          return;
        case "received":
          expect(row?.value).toMatchObject({ status: "done", member: "second" });
      }
    });
  }
});
