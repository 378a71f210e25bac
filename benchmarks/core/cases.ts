import type { GroupSpecInput } from "@muster/contracts";
import type { Lab, Loaded } from "./lab.ts";
import { rawLatency, workerLatency } from "./latency.ts";
import { runEngine, runWorker } from "./ours.ts";
import { runChild } from "./process.ts";
import { runJsPublish, runPublisher } from "./publish.ts";
import { runRaw, runRawCallback } from "./raw.ts";
import { runTimers } from "./timers.ts";

/** What a round of a family gives: the ratio of each of its cases. */
export type Round = Record<string, number>;

/** Cases measured together, in turn, so that they share the machine's mood. */
export type Family = {
  readonly name: string;
  /** Name of each case → its target; undefined: reported only. */
  readonly cases: Readonly<Record<string, number | undefined>>;
  round(lab: Lab): Promise<Round>;
};

/** All families; those of Postgres only where there is a database. */
export function families(databaseUrl: string | undefined): Family[] {
  const all = [consuming, ledgers, working, latency, publishing, processes];
  return databaseUrl === undefined ? all : [...all, postgres(databaseUrl)];
}

const many = 40_000;
const some = 8000;

const consuming: Family = {
  name: "consuming",
  cases: {
    "raw callback, the client's limit": undefined,
    "none, no-op: engine alone": 1.8,
    "none, no-op: all parts": 1.3,
    "confirmed acks: engine alone": 1.2,
    "confirmed acks: all parts": 1.0,
    "batch mode, none": 1.5,
  },
  async round(lab) {
    const batch = { delivery: { mode: "batch" as const, size: 50, wait_ms: 100 } };
    return against(lab, await rawRate(lab), {
      "raw callback, the client's limit": [many, {}, (loaded) => runRawCallback(lab, loaded)],
      "none, no-op: engine alone": [many, {}, (loaded) => runEngine(lab, loaded)],
      "none, no-op: all parts": [many, {}, (loaded) => runWorker(lab, loaded)],
      "confirmed acks: engine alone": [many, {}, (loaded) => runEngine(lab, loaded, { confirmAcks: true })],
      "confirmed acks: all parts": [many, {}, (loaded) => runWorker(lab, loaded, { confirmAcks: true })],
      "batch mode, none": [many, batch, (loaded) => runWorker(lab, loaded, { batch: true })],
    });
  },
};

const ledgers: Family = {
  name: "kv",
  cases: { "ledger kv: look-up and create": 0.45 },
  async round(lab) {
    return against(lab, await rawRate(lab), {
      "ledger kv: look-up and create": [some, { ledger: "kv" }, (loaded) => runWorker(lab, loaded)],
    });
  },
};

function postgres(databaseUrl: string): Family {
  return {
    name: "postgres",
    cases: { "ledger postgres: one by one": 0.11, "ledger postgres: batch mode": 0.5 },
    async round(lab) {
      const spec = { ledger: "postgres" as const };
      const batch = { ...spec, delivery: { mode: "batch" as const, size: 50, wait_ms: 100 } };
      return against(lab, await rawRate(lab), {
        "ledger postgres: one by one": [some, spec, (loaded) => runWorker(lab, loaded, { databaseUrl })],
        "ledger postgres: batch mode": [
          many,
          batch,
          (loaded) => runWorker(lab, loaded, { databaseUrl, batch: true }),
        ],
      });
    },
  };
}

function rawRate(lab: Lab): Promise<number> {
  return costed(lab, "raw iterator", many, {}, (loaded) => runRaw(lab, loaded));
}

/** How many messages, in a group of which spec, consumed how. */
type Run = [number, Partial<GroupSpecInput>, (loaded: Loaded) => Promise<number>];

/** Each run's rate against the raw one. */
async function against(lab: Lab, raw: number, runs: Readonly<Record<string, Run>>): Promise<Round> {
  const round: Round = {};
  for (const [name, [messages, spec, run]] of Object.entries(runs)) {
    round[name] = (await costed(lab, name, messages, spec, run)) / raw;
  }
  return round;
}

function costed(lab: Lab, name: string, ...[messages, spec, run]: Run): Promise<number> {
  return on(lab, messages, spec, (loaded) => lab.costs.of(name, messages, () => run(loaded)));
}

const workMs = 10;
const working: Family = {
  name: "work",
  cases: {
    "10 ms handler, concurrency 10, against timers": 0.97,
    "10 ms handler, concurrency 100, against timers": 0.97,
    "10 ms handler, concurrency 1000, against timers": 0.7,
  },
  async round(lab) {
    const round: Round = {};
    for (const concurrency of [10, 100, 1000]) {
      const messages = concurrency * 60;
      const timers = await runTimers(messages, concurrency, workMs);
      const ours = await on(lab, messages, { concurrency }, (loaded) => runWorker(lab, loaded, { workMs }));
      round[`10 ms handler, concurrency ${concurrency}, against timers`] = ours / timers;
    }
    return round;
  },
};

const latency: Family = {
  name: "latency",
  cases: { "latency at 1000/s, p50 (raw / ours)": 0.9, "latency at 1000/s, p99 (raw / ours)": 0.77 },
  async round(lab) {
    const messages = 3000;
    const raw = await on(lab, 0, {}, (loaded) => rawLatency(lab, loaded, messages));
    const ours = await on(lab, 0, {}, (loaded) => workerLatency(lab, loaded, messages));
    return {
      "latency at 1000/s, p50 (raw / ours)": raw.p50 / ours.p50,
      "latency at 1000/s, p99 (raw / ours)": raw.p99 / ours.p99,
    };
  },
};

const publishing: Family = {
  name: "publish",
  cases: { "publisher, 256 in flight, against js.publish": 2.5 },
  async round(lab) {
    const messages = 20_000;
    const raw = await runJsPublish(lab, messages);
    return { "publisher, 256 in flight, against js.publish": (await runPublisher(lab, messages)) / raw };
  },
};

// Start: (raw + 120 ms) / ours, so that 1 is the bound of "raw + 120 ms".
const startAllowanceMs = 120;
const processes: Family = {
  name: "process",
  cases: { "memory (1.3 × raw / ours)": 1, "start to first ack (raw + 120 ms / ours)": 1 },
  async round(lab) {
    const raw = await on(lab, many, {}, (loaded) => runChild("raw", loaded));
    const ours = await on(lab, many, {}, (loaded) => runChild("ours", loaded));
    return {
      "memory (1.3 × raw / ours)": (1.3 * raw.rss) / ours.rss,
      "start to first ack (raw + 120 ms / ours)": (raw.firstAckMs + startAllowanceMs) / ours.firstAckMs,
    };
  },
};

/** Loads a stream, runs the case on it, and takes the stream away. */
export async function on<T>(
  lab: Lab,
  messages: number,
  spec: Partial<GroupSpecInput>,
  run: (loaded: Loaded) => Promise<T>,
): Promise<T> {
  const loaded = await lab.load(messages, spec);
  try {
    return await run(loaded);
  } finally {
    await lab.remove(loaded);
  }
}
