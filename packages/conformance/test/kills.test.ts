import { describe, expect, test } from "vitest";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

/** A step after which the worker is killed, what the message asks for, and how it must end all the same. */
const kills = [
  { step: "received", directive: "return", ends: "done" },
  { step: "row_done", directive: "return", ends: "done" },
  { step: "row_dead", directive: "permanent;text=no", ends: "dead" },
  { step: "dead_lettered", directive: "permanent;text=no", ends: "dead" },
  { step: "attempt_recorded", directive: "retryable;times=1", ends: "done" },
] as const;

describe.each(testLanguages)("%s", (language) => {
  test.each(kills)("a kill at $step: the next member finishes, once", async ({ step, directive, ends }) => {
    const group = await openGroup(server.nc, server.url, { stream: `kill-${language}-${step}` });
    const eventId = `${step}.1`;
    await using first = joinWorker(language, group, { MUSTER_CONFORMANCE_KILL_AT: step });
    const { seq } = await publish(server.nc, { subject: group.subject(), eventId, directive });
    expect(await first.exited, first.lines.join("\n")).toEqual({ code: null, signal: "SIGKILL" });

    await using second = joinWorker(language, group);
    const row = await group.settled(eventId, ends);
    await group.quiet();
    expect(row.sequence).toBe(seq);
    expect(await group.left()).toBe(0);
    const history = await group.rowHistory(eventId);
    expect(history.map((revision) => revision.status)).toEqual([ends]);
    const letters = await group.deadLetters();
    expect(letters).toHaveLength(ends === "dead" ? 1 : 0);
    if (ends === "dead") expect(letters[0]?.headers["Muster-Dlq-Error"]).toBe("no");
    expect(await group.attempts(seq)).toBeUndefined();
    second.kill("SIGTERM");
    expect(await second.exited, second.lines.join("\n")).toEqual({ code: 0, signal: null });
  });
});
