import { expect, test } from "vitest";
import { pipelined } from "../src/pipelined.ts";

/** Work that ends when it is told to; `begun` in order. */
function held() {
  const begun: number[] = [];
  const ends = new Map<number, (error?: Error) => void>();
  const work = (item: number) => {
    begun.push(item);
    return new Promise<string>((resolve, reject) =>
      ends.set(item, (error) => (error === undefined ? resolve(`${item}`) : reject(error))),
    );
  };
  const end = async (item: number, error?: Error) => {
    ends.get(item)?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, work, end };
}

test("has so many under way at once, and gives the results in order", async () => {
  const { begun, work, end } = held();
  const done = pipelined([0, 1, 2, 3], 2, work);
  expect(begun).toEqual([0, 1]);
  await end(1);
  expect(begun).toEqual([0, 1, 2]);
  await end(2);
  await end(3);
  await end(0);
  expect(await done).toEqual(["0", "1", "2", "3"]);
  expect(await pipelined([], 2, work)).toEqual([]);
});

test("begins nothing after an error, and throws it when the others have ended", async () => {
  const { begun, work, end } = held();
  let outcome = "under way";
  const done = pipelined([0, 1, 2, 3], 2, work).catch((error: Error) => (outcome = error.message));
  await end(1, new Error("first"));
  expect([outcome, begun]).toEqual(["under way", [0, 1]]);
  await end(0, new Error("second"));
  expect(await done).toBe("first");
  expect(begun).toEqual([0, 1]);
});
