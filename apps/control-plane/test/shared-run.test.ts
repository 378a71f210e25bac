import { expect, test } from "vitest";
import { SharedRun } from "../src/shared-run.ts";

test("never runs twice at once, whenever one comes, and gives nobody what began before", async () => {
  // Between the end of a run and the begin of the queued one lie a few turns: each of them is met here.
  for (let turns = 0; turns < 12; turns++) {
    let [active, most, begun] = [0, 0, 0];
    const ends: (() => void)[] = [];
    const runs = new SharedRun(async () => {
      const number = ++begun;
      most = Math.max(most, ++active);
      await new Promise<void>((resolve) => ends.push(resolve));
      active--;
      return number;
    });
    const [first, queued] = [runs.next(), runs.next()];
    ends[0]?.();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const before = begun;
    const late = runs.next();
    // All that follows has to end too.
    const isEnded = Promise.all([first, queued, late]).then(() => "ended");
    while ((await Promise.race([isEnded, new Promise((resolve) => setImmediate(resolve))])) !== "ended")
      for (const end of ends) end();
    expect([await first, await queued, most]).toEqual([1, 2, 1]);
    expect(await late).toBeGreaterThan(before);
  }
});

test("goes on behind a run that failed", async () => {
  let begun = 0;
  const runs = new SharedRun(async () => {
    await Promise.resolve();
    if (++begun === 1) throw new Error("no");
    return begun;
  });
  const [first, queued] = await Promise.allSettled([runs.next(), runs.next()]);
  expect([first.status, queued]).toEqual(["rejected", { status: "fulfilled", value: 2 }]);
  expect(await runs.next()).toBe(3);
});
