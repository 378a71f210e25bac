import type { Lab } from "./lab/lab.ts";

/** One behaviour of a worker, played through NATS (and HTTP where it is about HTTP). */
export type Scenario = {
  /** Stable, unique, lower-case with dashes; `--only` takes it. */
  readonly id: string;
  /** Requirements of docs/protocol.md that it proves; the first one is what it is about. */
  readonly requirements: readonly [string, ...string[]];
  /** The behaviour, in a sentence. */
  readonly title: string;
  /** Longest time it may take, in ms. Default: 90,000. Started first when above that. */
  readonly timeoutMs?: number;
  /** Plays it, and fails with what was not as it should be. */
  readonly run: (lab: Lab) => Promise<void>;
};

/**
 * `unsupported`: the worker itself says that it does not do what the scenario is about.
 * `skipped`: this machine cannot play it, e.g. there is no Postgres.
 */
export type Status = "pass" | "fail" | "unsupported" | "skipped";

/** What came of a scenario. */
export type Result = {
  readonly scenario: Scenario;
  readonly status: Status;
  /** Why it is not a pass; empty for a pass. */
  readonly detail: string;
  readonly tookMs: number;
  /** What went wrong at first, where it was played twice because the machine was too busy. */
  readonly firstDetail?: string;
  /** What its workers printed. */
  readonly logs: readonly string[];
};

/** Thrown when the worker says that it does not support what is asked of it. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}

/** Thrown when this machine lacks what a scenario needs. */
export class Skipped extends Error {
  override readonly name = "Skipped";
}

/** Makes a scenario; `requirements` are separated by spaces, the one it is about comes first. */
export function scenario(
  id: string,
  requirements: string,
  title: string,
  run: Scenario["run"],
  options: { timeoutMs?: number } = {},
): Scenario {
  const [first = "", ...others] = requirements.split(" ");
  return { id, requirements: [first, ...others], title, run, ...options };
}
