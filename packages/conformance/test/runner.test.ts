import { Kvm } from "@nats-io/kv";
import { buckets, memberKey } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { runScenarios, type RunOptions, type Scenario, scenario, type Status } from "../src/index.ts";
import type { Lab } from "../src/lab/lab.ts";

const nobody = { url: "nats://127.0.0.1:1", stream: "S", group: "g" };

/** Node as a worker that runs this program. */
const node = (program: string) => ({ argv: [process.execPath, "-e", program], env: {} });
const idle = node("console.log('here'); setInterval(() => undefined, 1000)");

const one = (id: string, run: (lab: Lab) => Promise<void>, timeoutMs?: number): Scenario =>
  scenario(id, "HOLD-1", id, run, timeoutMs === undefined ? {} : { timeoutMs });

async function play(
  scenarios: Scenario[],
  options: Partial<RunOptions> = {},
): Promise<{ id: string; status: Status; detail: string }[]> {
  const results = await runScenarios(scenarios, { command: idle, isBusySince: () => false, ...options });
  return results.map(({ scenario: { id }, status, detail }) => ({ id, status, detail }));
}

/** Whether a process is there; one that has ended and was not asked for is not. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("runner", () => {
  test("a scenario that throws or hangs is a result of its own, in the order given", async () => {
    const results = await play([
      one("hangs", () => new Promise(() => undefined), 300),
      one("throws", async () => {
        throw new Error("why", { cause: new Error("because") });
      }),
      one("throws-at-once", () => {
        throw new Error("at once");
      }),
      one("passes", async () => undefined),
    ]);
    expect(results).toEqual([
      { id: "hangs", status: "fail", detail: "not over after 300 ms" },
      { id: "throws", status: "fail", detail: "why (because)" },
      { id: "throws-at-once", status: "fail", detail: "at once" },
      { id: "passes", status: "pass", detail: "" },
    ]);
  });

  test("a worker that still runs when its scenario is over is ended, also after a time-out", async () => {
    const pids: number[] = [];
    const start = async (lab: Lab): Promise<void> => {
      const member = lab.join(nobody);
      pids.push(member.pid);
      await member.said(/here/);
    };
    const results = await play([
      one("passes", start),
      one("hangs", async (lab) => start(lab).then(() => new Promise(() => undefined)), 8000),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["pass", "fail"]);
    expect(pids).toHaveLength(2);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test("a worker that leaves a process behind fails its scenario, and the process is ended", async () => {
    const command = { argv: ["sh", "-c", "sleep 600 & echo $!"], env: {} };
    let left = 0;
    const run = async (lab: Lab): Promise<void> => {
      const member = lab.join(nobody);
      left = Number(await member.said(/^\d+$/));
      await member.ended();
    };
    const [result] = await play([one("leaves", run)], { command });
    expect(result).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("left a process behind"),
    });
    await waitFor("the process to be gone", () => !isAlive(left));
  });

  test("a worker that ends although nobody asked it to fails its scenario at once, with its last words", async () => {
    const command = node("console.error('cannot go on'); process.exit(7)");
    const began = performance.now();
    const run = async (lab: Lab): Promise<void> => {
      lab.join(nobody);
      await new Promise(() => undefined);
    };
    const [result] = await play([one("ends", run)], { command });
    expect(result?.status).toBe("fail");
    expect(result?.detail).toMatch(/ended by itself \(code 7.*cannot go on/);
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test("a worker that says it does not support the spec is believed when its record says so too", async () => {
    const command = node(`
      console.log(JSON.stringify({ code: "unsupported_spec", error: "no batches here" }));
      setInterval(() => undefined, 1000);
    `);
    const asked = (ledger: "kv" | "none", state: string) => async (lab: Lab) => {
      const group = await lab.group({ ledger });
      const members = await new Kvm(lab.nc).open(buckets.members);
      const record = { ...recordOf(state), id: "same" };
      await members.put(memberKey(group.stream, group.group, "same"), JSON.stringify(record));
      lab.join(group, { WORKER_ID: "same" });
      await new Promise(() => undefined);
    };
    const results = await play(
      [
        one("starting", asked("none", "starting")),
        one("running", asked("none", "running"), 3000),
        one("what-all-do", asked("kv", "starting")),
      ],
      { command },
    );
    expect(results[0]).toMatchObject({ status: "unsupported", detail: "no batches here" });
    expect(results[1]).toMatchObject({ status: "fail" });
    expect(results[2]).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("pull with ledger kv"),
    });
  });

  test("a scenario that fails while the machine is busy is played once more, and the result says so", async () => {
    let tries = 0;
    const late = one("late", async (lab) => {
      tries += 1;
      // On a stream that the first try has not seen.
      expect((await (await lab.group()).send({})).seq).toBe(1);
      if (tries === 1) throw new Error("too late");
    });
    const wrong = one("wrong", async () => {
      throw new Error("wrong");
    });
    const results = await runScenarios([late, wrong], { command: idle, isBusySince: () => true });
    expect(results).toMatchObject([
      { status: "pass", firstDetail: "too late" },
      { status: "fail", detail: "wrong", firstDetail: "wrong" },
    ]);
    expect(tries).toBe(2);
  });

  test("a run that is stopped cleans up what runs and does not begin the rest", async () => {
    const stop = new AbortController();
    let began = 0;
    const run = async (): Promise<void> => {
      began += 1;
      stop.abort();
      await new Promise(() => undefined);
    };
    const results = await play([one("first", run), one("second", run)], { parallel: 1, signal: stop.signal });
    expect(results).toEqual([{ id: "first", status: "fail", detail: "the run was stopped" }]);
    expect(began).toBe(1);
  });
});

function recordOf(state: string): object {
  return {
    v: 1,
    instance: "i",
    language: "ts",
    core_version: "0",
    app_version: "0",
    host: "h",
    pid: 1,
    started_at: "2026-01-01T00:00:00.000Z",
    state,
    delivery: "pull",
    concurrency: 1,
    in_flight: 0,
    counts: { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0 },
    spec_revision: 1,
    contracts: [],
  };
}
