// The suite proves itself: each mistake that wrong-worker/ can make fails the scenarios that are about it, and no
// others. `./muster test` plays the first of these and some unrelated ones; MUSTER_DEFECTS=all (or names of
// defects, separated by commas) plays the whole suite against each defect, which takes minutes for each.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { describe, expect, it } from "vitest";
import { defects } from "./wrong-worker/defects/index.ts";
import { play, type Played } from "./wrong-worker/suite.ts";

/** What a defect breaks of docs/protocol.md, and the scenarios it fails: those about that first, each the quickest first. */
interface Expected {
  readonly breaks: readonly string[];
  readonly fails: readonly string[];
  /** Those that it fails or not, by a race that only the defect opens. */
  readonly sometimes?: readonly string[];
}

const folder = join(import.meta.dirname, "wrong-worker");
const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Record<string, Expected>;

/** Quick ones from all over the suite; of these a defect has to pass what it does not break. */
const unrelated = [
  "env-words",
  "event-id-header",
  "parse-schema",
  "kv-repeat",
  "settle-done-order",
  "settle-permanent",
  "retry-record",
  "dlq-own-headers",
  "mode-limit-full",
  "contract-default",
];
// Of each kind: the machine is busy with the other tests beside this one.
const sample = 1;

const chosen = process.env["MUSTER_DEFECTS"]?.split(",");
const isWhole = chosen !== undefined;
const names = Object.keys(expected).filter(
  (name) => !isWhole || chosen.includes("all") || chosen.includes(name),
);
const timeout = (isWhole ? 30 * names.length : 10) * 60_000;

describe("the wrong worker", { timeout }, () => {
  const runs = inLanes(isWhole ? 1 : 2, names, failedBy);

  it("has an expectation for each defect", () => {
    expect(Object.keys(expected).toSorted()).toEqual(Object.keys(defects).toSorted());
  });

  it("says what each breaks, by requirements of the protocol", () => {
    const broken = new Set(Object.values(expected).flatMap(({ breaks }) => breaks));
    const protocol = readFileSync(join(checkoutRoot, "docs/protocol.md"), "utf8");
    expect([...broken].filter((id) => !protocol.includes(`**[${id}]**`))).toEqual([]);
    const bare = Object.values(expected).filter((one) => one.breaks.length === 0 || one.fails.length === 0);
    expect(bare).toEqual([]);
  });

  it.each(names)("fails what it breaks and nothing else: %s", async (name) => {
    const only = samplesOf(name);
    const fails = expectedOf(name).filter((id) => only?.includes(id) ?? true);
    expect(await runs.get(name)).toEqual(fails.toSorted());
  });

  it("passes without a defect", async () => {
    await Promise.allSettled(runs.values());
    expect(failed(await play({ only: isWhole ? undefined : unrelated, patience: 40 }))).toEqual([]);
  });

  it("refuses a defect that it does not know", async () => {
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      const env = { ...process.env, MUSTER_DEFECT: "no-such" };
      execFile(process.execPath, [join(folder, "main.ts")], { env }, (error, _, said) =>
        resolve({ code: error?.code, stderr: said }),
      );
    });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("no defect no-such") });
  });
});

/** What fails by the defect. What is not as expected is played once more, with patience: the machine may be busy. */
async function failedBy(defect: string): Promise<string[]> {
  const fails = expectedOf(defect);
  const played = (await play({ defect, only: samplesOf(defect) })).filter(({ id }) => !isRace(defect, id));
  const odd = played.flatMap(({ id, status }) => ((status === "fail") === fails.includes(id) ? [] : [id]));
  const again = odd.length === 0 ? [] : await play({ defect, only: odd, patience: 40, parallel: 2 });
  return failed([...played.filter(({ id }) => !odd.includes(id)), ...again]);
}

/** What is played of the suite against a defect; undefined: all of it. */
function samplesOf(name: string): string[] | undefined {
  if (isWhole) return undefined;
  const fails = expectedOf(name);
  const others = unrelated.filter((id) => !fails.includes(id) && !isRace(name, id)).slice(0, sample);
  return [...fails.slice(0, sample), ...others];
}

function expectedOf(name: string): readonly string[] {
  return expected[name]?.fails ?? [];
}

function isRace(name: string, id: string): boolean {
  return expected[name]?.sometimes?.includes(id) ?? false;
}

function failed(played: readonly Played[]): string[] {
  return played.flatMap(({ id, status }) => (status === "fail" ? [id] : [])).toSorted();
}

/** Starts so many at once, in the order given. */
function inLanes<T>(
  lanes: number,
  all: readonly string[],
  run: (one: string) => Promise<T>,
): Map<string, Promise<T>> {
  const waiting = all.map((one) => ({ one, ...Promise.withResolvers<T>() }));
  const results = new Map(waiting.map(({ one, promise }) => [one, promise]));
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await run(next.one).then(next.resolve, next.reject);
  };
  // Who asks for a result is told; until then a failure is nobody's.
  for (const result of results.values()) result.catch(() => undefined);
  for (let n = 0; n < lanes; n++) void lane();
  return results;
}
