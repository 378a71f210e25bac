import { describe, expect, test } from "vitest";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

type Line = Record<string, unknown> & { msg?: string; level?: string };

const always = ["group", "language", "level", "member", "msg", "stream", "time"];
const perEvent = [
  "seq",
  "event_id",
  "delivery",
  "attempt",
  "outcome",
  "reason",
  "code",
  "error",
  "delay_ms",
  "revision",
  "state",
];
const outcomes = ["done", "retry", "snoozed", "dead", "repeat"] as const;

/** The log of a short life in which every ordinary outcome happens. */
async function lifeOf(language: (typeof testLanguages)[number]): Promise<Line[]> {
  const group = await openGroup(server.nc, server.url, { stream: `logs-${language}` });
  await using worker = joinWorker(language, group, { LOG_LEVEL: "debug" });
  const send = (eventId: string, directive: string) =>
    publish(server.nc, { subject: group.subject(), eventId, directive });
  await send("done", "return");
  await group.settled("done", "done");
  await send("done", "return");
  await send("retry", "retryable;times=1");
  await send("dead", "permanent;text=no");
  await group.settled("retry", "done");
  await group.settled("dead", "dead");
  await send("snoozed", "snooze;delay_ms=60000");
  await worker.waitForLine(/"snoozed"/);
  worker.kill("SIGTERM");
  expect((await worker.exited).code).toBe(0);
  return worker.lines.map((line) => JSON.parse(line) as Line);
}

describe("logs", () => {
  test("are the same in every language: one object a line, the same messages, the same fields", async () => {
    const shapes = new Map<string, unknown>();
    for (const language of testLanguages) {
      const lines = await lifeOf(language);
      for (const line of lines) {
        expect(Object.keys(line), JSON.stringify(line)).toEqual(expect.arrayContaining(always));
        const extra = Object.keys(line).filter((key) => !always.includes(key) && !perEvent.includes(key));
        expect(extra, JSON.stringify(line)).toEqual([]);
        expect(line["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(["debug", "info", "warn", "error"]).toContain(line.level);
        expect(line["language"]).toBe(language);
      }
      const life = lines.filter(({ level }) => level === "info").map(({ msg }) => msg);
      shapes.set(language, {
        life,
        outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, shapeOf(lines, outcome)])),
      });
      expect(life).toEqual(["spec changed", "joined", "draining", "left"]);
    }
    const [reference = "", ...others] = testLanguages;
    for (const other of others)
      expect(shapes.get(other), `${other} as ${reference}`).toEqual(shapes.get(reference));
  });
});

/** Level and fields of the line that tells of an outcome. */
function shapeOf(lines: readonly Line[], outcome: string): { level: unknown; fields: string[] } | undefined {
  const line = lines.find((each) => each["outcome"] === outcome);
  return line && { level: line.level, fields: Object.keys(line).toSorted() };
}
