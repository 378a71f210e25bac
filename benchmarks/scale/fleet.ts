// A group that grows: members of three languages with a handler of 10 ms, and how much of the ideal they reach.
import { Kvm } from "@nats-io/kv";
import { buckets, type GroupSpecInput, groupKey, MemberRecord, memberKey } from "@muster/contracts";
import { type Language, languages, type Proc, startProcess, waitFor, workerCommand } from "@muster/testkit";
import type { Lab } from "../core/lab.ts";

/** What a handler takes, and how many of them a member runs at once. */
export const WORK_MS = 10;
export const CONCURRENCY = 10;
/** Messages a second that a member would do if nothing but its handlers took time. */
export const IDEAL_RATE = (CONCURRENCY * 1000) / WORK_MS;

/** What a group did while it was watched. */
export type Run = {
  readonly members: number;
  /** Messages a second. */
  readonly rate: number;
  /** Share of `members` × the ideal rate. */
  readonly ofIdeal: number;
  /** Messages done by each language. */
  readonly done: Readonly<Record<string, number>>;
};

const WARM_MS = 1500;

/** Loads a stream, has so many members join while the group is paused, lets them go, and watches them for `seconds`. */
export async function runFleet(
  lab: Lab,
  members: number,
  seconds: number,
  spec: Partial<GroupSpecInput>,
): Promise<Run> {
  const enough = Math.ceil(members * IDEAL_RATE * (seconds + (2 * WARM_MS) / 1000));
  const loaded = await lab.load(enough, { concurrency: CONCURRENCY, paused: true, ...spec });
  const kvm = new Kvm(lab.nc);
  const records = await kvm.open(buckets.members);
  const recordOf = async (id: string): Promise<MemberRecord | undefined> => {
    const entry = await records.get(memberKey(loaded.stream, loaded.group, id));
    return entry === null || entry.length === 0 ? undefined : MemberRecord.parse(entry.json());
  };
  const ids = Array.from({ length: members }, (_, n) => `${languages[n % languages.length]}-${n}`);
  const procs: Proc[] = [];
  try {
    for (const id of ids) procs.push(start(id, loaded.url, loaded.stream, loaded.group));
    for (const id of ids)
      await waitFor(`${id} to join`, async () => (await recordOf(id))?.state === "paused", {
        timeoutMs: 60_000,
      });
    const key = groupKey(loaded.stream, loaded.group);
    await (await kvm.open(buckets.groups)).put(key, JSON.stringify({ ...loaded.spec, paused: false }));
    await waitFor("the first messages to be done", async () => (await pending(lab, loaded)) < enough, {
      timeoutMs: 60_000,
    });
    await new Promise((done) => setTimeout(done, WARM_MS));
    const [from, startedAt] = [await pending(lab, loaded), performance.now()];
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const [to, endedAt] = [await pending(lab, loaded), performance.now()];
    if (to === 0) throw new Error(`${loaded.stream}: all was done before the watch ended; load more`);
    const rate = ((from - to) * 1000) / (endedAt - startedAt);
    return { members, rate, ofIdeal: rate / (members * IDEAL_RATE), done: await doneBy(ids, recordOf) };
  } finally {
    for (const proc of procs) proc.kill("SIGTERM");
    await Promise.all(procs.map((proc) => proc.exited));
    await lab.remove(loaded);
  }
}

function start(id: string, url: string, stream: string, group: string): Proc {
  const language = id.split("-")[0] as Language;
  const { argv, env } = workerCommand(language);
  return startProcess(id, argv, {
    ...env,
    NATS_URL: url,
    MUSTER_STREAM: stream,
    MUSTER_GROUP: group,
    MUSTER_HEARTBEAT_MS: "500",
    WORKER_ID: id,
    ORDER_WORK_MS: String(WORK_MS),
    LOG_LEVEL: "error",
  });
}

/** Messages that are not acked yet. */
async function pending(lab: Lab, loaded: Parameters<Lab["info"]>[0]): Promise<number> {
  const { num_pending, num_ack_pending } = await lab.info(loaded);
  return num_pending + num_ack_pending;
}

async function doneBy(
  ids: readonly string[],
  recordOf: (id: string) => Promise<MemberRecord | undefined>,
): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  for (const id of ids) {
    const language = id.split("-")[0] ?? "";
    done[language] = (done[language] ?? 0) + ((await recordOf(id))?.counts.done ?? 0);
  }
  return done;
}
