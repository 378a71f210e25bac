import type { WorkerCommand } from "@muster/testkit";
import { watchBusy } from "./busy.ts";
import { Unexpected } from "./expect.ts";
import { openDatabase } from "./lab/database.ts";
import { openLab, type Shared } from "./lab/lab.ts";
import { openSite } from "./lab/site.ts";
import { type Result, type Scenario, Skipped, type Status, Unsupported } from "./scenario.ts";

export type RunOptions = {
  /** How to start the worker. */
  readonly command: WorkerCommand;
  /** Scenarios at once. Default: 8, which two cores carry. */
  readonly parallel?: number;
  /** Told of each result as it comes. */
  readonly onResult?: (result: Result) => void;
  /** Whether the machine was too busy to keep any time since a moment of the monotonic clock. Default: `watchBusy`. */
  readonly isBusySince?: (began: number) => boolean;
  /** Ends the run early: what is running is cleaned up, what has not begun does not. */
  readonly signal?: AbortSignal;
};

const defaultTimeoutMs = 90_000;
/** For closing what a scenario has opened. */
const closeMs = 20_000;

/**
 * Plays scenarios, several at once on one server, and returns their results in the order given.
 * A scenario that fails, hangs or throws is that scenario's result and nobody else's; what it
 * started is gone when its result is there. One that fails while the machine is too busy to keep
 * any time is played once more at the end, alone, and the result says so.
 */
export async function runScenarios(scenarios: readonly Scenario[], options: RunOptions): Promise<Result[]> {
  await using site = await openSite();
  await using database = onDemand(openDatabase);
  const shared: Shared = { site, database: database.get };
  const results = new Map<Scenario, Result>();
  const limit = (scenario: Scenario): number => scenario.timeoutMs ?? defaultTimeoutMs;
  // The long ones first, so that none of them is what everybody waits for at the end.
  const waiting = scenarios.toSorted((a, b) => limit(b) - limit(a));
  using watch = watchBusy();
  const isBusySince = options.isBusySince ?? ((began) => watch.since(began));
  const again: Result[] = [];
  const tell = (result: Result): void => {
    results.set(result.scenario, result);
    options.onResult?.(result);
  };
  const playOn = (on: Shared, scenario: Scenario): Promise<Result> =>
    play(scenario, limit(scenario), on, options);
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next && !options.signal?.aborted; next = waiting.shift()) {
      const began = performance.now();
      const result = await playOn(shared, next);
      if (result.status === "fail" && isBusySince(began)) again.push(result);
      else tell(result);
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? 8 }, lane));
  for (const first of again) {
    if (options.signal?.aborted) tell(first);
    else tell({ ...(await playAfresh(first.scenario, playOn)), firstDetail: first.detail });
  }
  return scenarios.flatMap((scenario) => results.get(scenario) ?? []);
}

/** On servers of its own: those that are shared have what the first try left. */
async function playAfresh(
  scenario: Scenario,
  playOn: (on: Shared, scenario: Scenario) => Promise<Result>,
): Promise<Result> {
  await using site = await openSite();
  await using database = onDemand(openDatabase);
  // Not without await: the servers would be gone before it is played.
  return await playOn({ site, database: database.get }, scenario);
}

async function play(
  scenario: Scenario,
  timeoutMs: number,
  shared: Shared,
  { command, signal }: RunOptions,
): Promise<Result> {
  const began = performance.now();
  const open = await openLab(scenario.id, command, shared);
  const limit = limitOf(timeoutMs, signal);
  const run = (async () => scenario.run(open.lab))();
  // After a time-out it goes on until its next step fails, and nobody is interested any more.
  run.catch(() => undefined);
  let end = await Promise.race([run, open.broken, limit.promise]).then(() => passed, judge);
  limit.clear();
  const left = await inTime(open.close(), closeMs).then(() => undefined, judge);
  if (left !== undefined && end.status === "pass") end = left;
  return { scenario, ...end, tookMs: Math.round(performance.now() - began), logs: open.logs() };
}

/** Opened by the first that asks, shared with all others, closed at the end. */
function onDemand<T extends AsyncDisposable>(open: () => Promise<T>) {
  let opened: Promise<T> | undefined;
  return {
    get: (): Promise<T> => (opened ??= open()),
    async [Symbol.asyncDispose]() {
      const it = await opened?.catch(() => undefined);
      await it?.[Symbol.asyncDispose]();
    },
  };
}

async function inTime(closing: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`its clean-up was not over after ${timeoutMs} ms`)), timeoutMs);
  });
  await Promise.race([closing, late]).finally(() => clearTimeout(timer));
}

type End = { status: Status; detail: string };
const passed: End = { status: "pass", detail: "" };

function judge(error: unknown): End {
  const detail = describe(error);
  if (error instanceof Unsupported) return { status: "unsupported", detail };
  if (error instanceof Skipped) return { status: "skipped", detail };
  return { status: "fail", detail };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Unexpected) return error.message;
  const cause = error.cause === undefined ? "" : ` (${describe(error.cause)})`;
  return `${error.message}${cause}`;
}

function limitOf(timeoutMs: number, signal: AbortSignal | undefined) {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(new Error(`not over after ${timeoutMs} ms`));
  const stopped = (): void => reject(new Error("the run was stopped"));
  const timer = setTimeout(late, timeoutMs);
  if (signal?.aborted) stopped();
  signal?.addEventListener("abort", stopped);
  promise.catch(() => undefined);
  return {
    promise,
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stopped);
    },
  };
}
