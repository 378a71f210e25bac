import { expect, test } from "vitest";
import { DEAD, type Entry, Letters } from "../src/dead-letters/index/letters.ts";
import { Texts } from "../src/dead-letters/index/texts.ts";
import { eachRow, matcher } from "../src/dead-letters/index/filter-rows.ts";
import { normalError } from "../src/dead-letters/normal-error.ts";

test("keeps each text once, over many blocks, and finds parts as a plain search does", async () => {
  const texts = new Texts();
  const plain: string[] = [];
  for (let i = 0; i < 30_000; i++) {
    const text = `${i % 7 === 0 ? "käse " : ""}${"x".repeat(i % 90)} ${i} ${"y".repeat((i * 31) % 50)}`;
    expect(texts.add(text)).toBe(i);
    plain.push(text);
  }
  expect(texts.bytes).toBeGreaterThan(2 * 1024 * 1024);
  for (const i of [0, 1, 777, 15_000, 29_999]) {
    expect([texts.add(plain[i] ?? ""), texts.find(plain[i] ?? ""), texts.text(i)]).toEqual([i, i, plain[i]]);
  }
  expect([texts.size, texts.find("never there")]).toEqual([30_000, -1]);
  for (const part of ["x 99", "käse", "y", "29999", " ", "yx", "nothing of it"]) {
    const marks = new Uint8Array(texts.size);
    await texts.markContaining(part, marks, 0);
    const found = [...marks.entries()].filter(([, mark]) => mark === 1).map(([id]) => id);
    expect(found).toEqual(plain.flatMap((text, id) => (text.includes(part) ? [id] : [])));
    const later = new Uint8Array(texts.size);
    await texts.markContaining(part, later, 20_000);
    expect(later.subarray(20_000)).toEqual(marks.subarray(20_000));
    expect(later.subarray(0, 20_000).every((mark) => mark === 0)).toBe(true);
  }
});

function entry(seq: number, over: Partial<Entry> = {}): Entry {
  return {
    seq,
    storedAt: seq,
    shelf: DEAD,
    id: `id-${seq}`,
    group: `g${seq % 5}`,
    reason: "permanent",
    language: "ts",
    version: "1",
    subject: "orders.created",
    errorClass: "Error",
    error: `order ${seq} failed`,
    ...over,
  };
}

test("a million letters with as many different errors take less than 300 MB", async () => {
  // A tenth of them, for the columns grow with the letters.
  const letters = new Letters();
  for (let seq = 1; seq <= 100_000; seq++) letters.add(entry(seq));
  expect(letters.bytes * 10).toBeLessThan(300 * 1024 * 1024);
  expect([letters.size, letters.live, letters.candidates("id-77777")]).toEqual([100_000, 100_000, [77_776]]);
  let count = 0;
  await eachRow(letters, await matcher(letters, { group: "g3", error: "999" }, "dead"), { from: 0 }, () => {
    count++;
  });
  const expected = Array.from({ length: 100_000 }, (_, i) => i + 1).filter(
    (i) => i % 5 === 3 && `${i}`.includes("999"),
  );
  expect(count).toBe(expected.length);
});

test("thousands of copies of one letter are added as fast as others, and each takes the place of the one before", () => {
  const letters = new Letters();
  for (let seq = 1; seq <= 20_000; seq++) letters.add(entry(seq, { id: "same", group: "g" }));
  expect(letters.candidates("same")).toEqual([0]);
  expect(letters.withCopies(0)).toHaveLength(20_000);
  letters.remove(0);
  letters.remove(5);
  expect([letters.candidates("same"), letters.live]).toEqual([[1], 19_998]);
  letters.remove(0);
  expect(letters.live).toBe(19_998);
  // A letter of another group that says it has the same id is no copy.
  letters.add(entry(20_001, { id: "same", group: "other" }));
  expect(letters.candidates("same")).toEqual([1, 20_000]);
});

test.each([
  ["order o-17 refused: card 'a b' can't be charged.", "order # refused: card # can't be charged"],
  [
    'order 8c0e9cdc-1d2e-4a5e-9d5e-123456789abc refused: card "x" can\'t be charged',
    "order # refused: card # can't be charged",
  ],
  ["cannot open /var/lib/x.db: no such file", "cannot open #: no such file"],
  ["cannot open C:\\tmp\\b.db: no such file", "cannot open #: no such file"],
  ["connect to 10.0.0.1:5432 refused", "connect to # refused"],
  ["timeout calling https://a.b/c?d=1, gave up", "timeout calling #, gave up"],
  ["k\\u00f6nig fehlt", "könig fehlt"],
  ["half and/or n/a", "half and/or n/a"],
  ["does not match order.v2 at /items/3/price", "does not match order.v2 at /items/#/price"],
])("normalises %s", (error, normal) => {
  expect(normalError("Error", error)).toBe(normal);
});
