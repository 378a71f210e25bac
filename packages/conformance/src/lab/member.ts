import type { MemberRecord } from "@muster/contracts";
import { pidsOfGroup, startProcess, untilStopped, type WorkerCommand } from "@muster/testkit";
import { patienceMs, waitFor } from "./wait.ts";
import { Unsupported } from "../scenario.ts";
import type { Group } from "./group.ts";

export type Ended = { code: number | null; signal: NodeJS.Signals | null };

/** A worker process that a scenario started. */
export type Member = {
  readonly id: string;
  readonly pid: number;
  /** What it has printed, by line. */
  readonly lines: readonly string[];
  /** Waits for a line, past or future. */
  said(match: RegExp | ((line: string) => boolean), timeoutMs?: number): Promise<string>;
  record(): Promise<MemberRecord | undefined>;
  /** Waits until it says that it has joined. */
  joined(): Promise<void>;
  /** Waits until its record satisfies `check`, and returns it. */
  recorded(what: string, check: (record: MemberRecord) => boolean): Promise<MemberRecord>;
  /** Waits until it has written its record so often more. */
  beats(count: number): Promise<void>;
  /** Waits until so many of its handlers run. */
  handling(count?: number): Promise<void>;
  /** Signals it; a kill and a continue go to all processes that it started. */
  signal(signal: NodeJS.Signals): void;
  /** Stops it, and returns when nothing of it runs any more. */
  stop(): Promise<void>;
  /** Its end, which the scenario expects from this call on; by default it has as long as the scenario. */
  ended(timeoutMs?: number): Promise<Ended>;
  /** From here on its end is no surprise. */
  mayEnd(): void;
  /** Kills what is left of it. Fails when it left a process behind. */
  close(): Promise<void>;
};

/** Where to join; a group that was opened has all of it. */
export type JoinAt = { url: string; stream: string; group: string } | Group;

/** What the lab wants to hear of a member. */
export type MemberEvents = {
  /** It ended, and nobody asked it to. */
  onSurprise: (error: Error) => void;
  /** It says that it does not support the group's spec. */
  onUnsupported: (error: Unsupported) => void;
};

const leftBehindAfterMs = 2000;
/** Beyond every scenario's own limit. */
const endMs = 600_000;

/** Starts a worker in a group. */
export function startMember(
  command: WorkerCommand,
  at: JoinAt,
  env: Record<string, string>,
  events: MemberEvents,
): Member {
  const id = env["WORKER_ID"] ?? "";
  let expected = env["MUSTER_CONFORMANCE_KILL_AT"] !== undefined;
  const own = {
    NATS_URL: at.url,
    MUSTER_STREAM: at.stream,
    MUSTER_GROUP: at.group,
    MUSTER_HEARTBEAT_MS: "500",
  };
  const process_ = startProcess(
    id,
    command.argv,
    { ...command.env, ...own, ...env },
    {
      // Its own process group: a wrapper's children are found, and ended with it.
      detached: true,
      onLine: (line) => {
        if (line.includes('"unsupported_spec"')) events.onUnsupported(new Unsupported(reasonOf(line)));
      },
    },
  );
  const { lines, exited, pid } = process_;
  let hasEnded = false;
  void exited.then(({ code, signal }) => {
    hasEnded = true;
    const last = lines.slice(-3).join(" | ");
    if (!expected)
      events.onSurprise(new Error(`the worker ended by itself (code ${code}, signal ${signal}): ${last}`));
  });
  const record = async (): Promise<MemberRecord | undefined> => ("member" in at ? at.member(id) : undefined);
  return {
    id,
    pid,
    lines,
    said: (match, timeoutMs = patienceMs) => process_.waitForLine(match, timeoutMs),
    record,
    joined: async () => void (await process_.waitForLine(/"joined"/, patienceMs)),
    recorded: (what, check) =>
      waitFor(`the record of ${id} to tell of ${what}`, async () => {
        const now = await record();
        return now !== undefined && check(now) ? now : undefined;
      }),
    beats: async (count) => {
      const seen = new Set<number>();
      await waitFor(`${count} further beats of ${id}`, async () => {
        const revision = "member" in at ? await at.memberRevision(id) : undefined;
        if (revision !== undefined) seen.add(revision);
        return seen.size > count;
      });
    },
    handling: (count = 1) => handling(at, record, count),
    signal(signal) {
      if (signal !== "SIGCONT") expected = true;
      if (signal === "SIGTERM" || signal === "SIGINT") process_.kill(signal);
      else signalGroup(pid, signal);
    },
    async stop() {
      signalGroup(pid, "SIGSTOP");
      await untilStopped(await pidsOfGroup(pid));
    },
    async ended(timeoutMs = endMs) {
      expected = true;
      // The output ends when nobody holds it any more: a process that was left behind would hold it for ever.
      await waitFor(`${id} to end`, () => hasEnded || !isThere(pid), { timeoutMs });
      if (hasEnded || !(await outlives(pid))) return exited;
      throw leftBehind(id);
    },
    mayEnd: () => void (expected = true),
    async close() {
      expected = true;
      const isOver = hasEnded || !isThere(pid);
      const left = isOver && (await outlives(pid));
      if (left || !isOver) signalGroup(pid, "SIGKILL");
      await exited;
      if (left) throw leftBehind(id);
    },
  };
}

/**
 * A record tells how many handlers run. A worker without heartbeats is judged elsewhere: here it is
 * enough that it had the messages in hand for longer than any start of a handler takes.
 */
async function handling(
  at: JoinAt,
  record: () => Promise<MemberRecord | undefined>,
  count: number,
): Promise<void> {
  let since = Number.POSITIVE_INFINITY;
  await waitFor(`${count} running handler(s)`, async () => {
    if (((await record())?.in_flight ?? 0) >= count) return true;
    const held = "consumer" in at ? (await at.consumer()).num_ack_pending : 0;
    since = held >= count ? Math.min(since, performance.now()) : Number.POSITIVE_INFINITY;
    return performance.now() - since > 3000;
  });
}

function reasonOf(line: string): string {
  try {
    const { delivery, ledger, error } = JSON.parse(line) as Record<string, string | undefined>;
    return [delivery, ledger, error].filter((part) => part !== undefined).join(", ") || line;
  } catch {
    return line;
  }
}

function leftBehind(id: string): Error {
  return new Error(`the worker ${id} ended and left a process behind`);
}

/** Whether the worker itself is there; one that has ended is, until Node has asked how. */
function isThere(pid: number): boolean {
  return signalTo(pid, 0);
}

function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  return signalTo(-leader, signal);
}

/** False where there is nobody to get it. */
function signalTo(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Whether a process of the group is still there when the time for it is over. */
async function outlives(leader: number): Promise<boolean> {
  return waitFor("the processes to end", () => !signalGroup(leader, 0), {
    timeoutMs: leftBehindAfterMs,
    everyMs: 20,
  }).then(
    () => false,
    () => true,
  );
}
