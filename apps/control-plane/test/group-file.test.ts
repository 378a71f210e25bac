import { readdirSync, readFileSync } from "node:fs";
import { createVerdict } from "@muster/contracts";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { GroupFile, groupFileSchema, GroupsFile } from "../src/groups/group-file.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url));
const verdict = createVerdict("group-file", { ...groupFileSchema() });
const judge = (file: unknown) => verdict(new TextEncoder().encode(JSON.stringify(file))).ok;

describe("the schema of a group file", () => {
  test("is published as it is: else run `./muster generate`", () => {
    expect(JSON.parse(String(read("../schemas/group-file.json")))).toEqual(groupFileSchema());
  });

  const folder = "../../../infra/groups/";
  test.each(readdirSync(new URL(folder, import.meta.url)))("takes the example %s, which names it", (name) => {
    const file = JSON.parse(String(read(folder + name))) as { $schema: string };
    expect(judge(file)).toBe(true);
    expect(read(folder + file.$schema)).toEqual(read("../schemas/group-file.json"));
  });

  const spec = { stream: "S", group: "g", subjects: ["s.>"], contracts: ["order.v1"] };
  test.each([
    [true, { spec }],
    [true, { spec: { ...spec, delivery: { mode: "batch", size: 1, wait_ms: 1 } }, stream: { replicas: 3 } }],
    [true, { groups: [{ spec }, { spec: { ...spec, group: "h" }, stream: { replicas: 3 }, adopt: true }] }],
    [false, { groups: [] }],
    [false, { groups: [{ spec, streams: {} }] }],
    [false, { groups: [spec] }],
    [false, { spec, groups: [{ spec }] }],
    [false, { spec, adopt: "yes" }],
    [false, {}],
    [false, { spec: { ...spec, delivery: { mode: "batch" } } }],
    [false, { spec: { ...spec, subjects: [] } }],
    [false, { spec, stream: { retention: "for ever" } }],
    [false, { spec, streams: {} }],
  ])("says the same as the procedure, %s: %j", (isTaken, file) => {
    const isParsed = z.union([GroupFile, GroupsFile]).safeParse(file).success;
    expect([judge(file), isParsed]).toEqual([isTaken, isTaken]);
  });

  test.each([
    [{ spec: { ...spec, ack_wait: 1 } }],
    [{ spec: { ...spec, retry: { max_attempt: 1 } } }],
    [{ spec: { ...spec, delivery: { mode: "push", deliver_subject: "x" } } }],
  ])("marks a misspelt field in the editor: %j", (file) => {
    expect(judge(file)).toBe(false);
  });
});
