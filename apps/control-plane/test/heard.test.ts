import { expect, test } from "vitest";
import { Heard } from "../src/groups/heard.ts";

test("who was not heard of counts from the beginning, and so does who is forgotten", () => {
  const heard = new Heard(500);
  heard.note("kept", 2000, 2000);
  heard.note("left", 2000, 2000);
  heard.keep((key) => key === "kept");
  const overdueAt = (nowMs: number) =>
    ["kept", "left", "never"].filter((key) => heard.isOverdue(key, 1000, nowMs));
  expect(overdueAt(1500)).toEqual([]);
  expect(overdueAt(1501)).toEqual(["left", "never"]);
  expect(overdueAt(3001)).toEqual(["kept", "left", "never"]);
});

test("a record counts from when it was stored, not from when it came, whatever the clocks say", () => {
  // The server's clock is 5 s behind ours, and what it sends takes 20 ms.
  const heard = new Heard(0);
  heard.note("old", 0, 13_000);
  heard.note("fresh", 9000, 14_020);
  const overdueAt = (nowMs: number) => ["old", "fresh"].filter((key) => heard.isOverdue(key, 15_000, nowMs));
  expect(overdueAt(20_020)).toEqual([]);
  expect(overdueAt(20_021)).toEqual(["old"]);
  expect(overdueAt(29_020)).toEqual(["old"]);
  expect(overdueAt(29_021)).toEqual(["old", "fresh"]);
});
