// What is asked of the control plane, and how long it takes.
import type { NatsConnection } from "@nats-io/transport-node";
import { dlqStream } from "@muster/contracts";
import { jetstreamManager } from "@nats-io/jetstream";
import { waitFor } from "@muster/testkit";
import type { Plane } from "./plane.ts";
import { beat, groupAt, type Size } from "./scene.ts";

const requests = 100;
const reasons = ["invalid", "permanent", "exhausted", "crash_loop"];

/** One request of a kind, the n-th of its round. */
type Ask = (plane: Plane, n: number, size: Size) => Promise<unknown>;

/** The requests whose slowest are measured, by name. */
export const questions: Readonly<Record<string, Ask>> = {
  "groups list": (plane) => plane.get("/api/v1/groups"),
  "members page": (plane, n) => plane.get(`/api/v1/members?language=${n % 2 === 0 ? "go" : "py"}&limit=100`),
  "dead-letter page": (plane, n, size) => {
    const { group } = groupAt(n * size.streams, size);
    return plane.get(`/api/v1/streams/S0/dead-letters?group=${group}&language=go&limit=100`);
  },
  "dead-letter count, filtered": (plane, n) =>
    plane.get(
      `/api/v1/streams/S0/dead-letter-count?reason=${reasons[n % reasons.length] ?? ""}&language=py&error=card%20${40 + (n % 50)}`,
    ),
};

/** The slowest of a hundred requests but one, in milliseconds, one after the other. */
export async function p99(plane: Plane, size: Size, ask: Ask): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < requests; n++) {
    const startedAt = performance.now();
    await ask(plane, n, size);
    took.push(performance.now() - startedAt);
  }
  return took.toSorted((a, b) => a - b).at(-2) ?? Number.NaN;
}

/** Milliseconds from a member's first record to the event of a listener, of each of ten. */
export async function joinDelays(plane: Plane, nc: NatsConnection, size: Size): Promise<number[]> {
  const stop = new AbortController();
  const seen = new Map<string, number>();
  const listening = listen(plane, stop.signal, ({ event, member }) => {
    if (event === "joined") seen.set(member, performance.now());
  });
  await waitFor("the listener to hear", async () => {
    beat(nc, 0, size, "probe", `probe-${performance.now()}`);
    return seen.has("probe");
  });
  const delays: number[] = [];
  for (let n = 0; n < 10; n++) {
    const id = `late-${n}`;
    const startedAt = performance.now();
    beat(nc, n, size, id);
    await waitFor(`${id} to be told`, () => seen.has(id), { everyMs: 1 });
    delays.push((seen.get(id) ?? 0) - startedAt);
  }
  stop.abort();
  await listening;
  return delays;
}

/** Milliseconds from a member's last beat to the event of its crash, of each of ten that end at once. */
export async function crashDelays(plane: Plane, nc: NatsConnection, size: Size): Promise<number[]> {
  const stop = new AbortController();
  const seen = new Map<string, number>();
  const listening = listen(plane, stop.signal, ({ event, member }) => {
    if (event === "crashed" || event === "joined") seen.set(`${event} ${member}`, performance.now());
  });
  const ids = Array.from({ length: 10 }, (_, n) => `crash-${n}`);
  await waitFor("the listener to hear", () => {
    ids.forEach((id, n) => beat(nc, n, size, id, `${id}-${performance.now()}`));
    return ids.every((id) => seen.has(`joined ${id}`));
  });
  await nc.flush();
  const lastBeatAt = performance.now();
  await waitFor("the crashes", () => ids.every((id) => seen.has(`crashed ${id}`)), { timeoutMs: 60_000 });
  stop.abort();
  await listening;
  return ids.map((id) => (seen.get(`crashed ${id}`) ?? 0) - lastBeatAt);
}

/** Letters a second of a job without a rate, over 20,000 letters of a stream, or all that are there. */
export async function replayRate(plane: Plane, nc: NatsConnection, stream: string): Promise<number> {
  const manager = await jetstreamManager(nc);
  const left = async () => (await manager.streams.info(dlqStream(stream))).state.messages;
  const before = await left();
  const startedAt = performance.now();
  const { id } = await plane.send<{ id: string }>("POST", "/api/v1/replay-jobs", {
    stream,
    limit: 20_000,
  });
  const job = await waitFor(
    `job ${id}`,
    async () => {
      const now = await plane.get<{ state: string; counts: { replayed: number } }>(
        `/api/v1/replay-jobs/${id}`,
      );
      if (now.state === "failed" || now.state === "cancelled") throw new Error(JSON.stringify(now));
      return now.state === "done" ? now : undefined;
    },
    { timeoutMs: 300_000, everyMs: 20 },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const gone = before - (await left());
  if (gone !== job.counts.replayed || gone === 0)
    throw new Error(`${gone} letters left ${dlqStream(stream)}, the job says ${JSON.stringify(job.counts)}`);
  return gone / seconds;
}

type Told = { event: string; member: string };

function listen(plane: Plane, signal: AbortSignal, onEvent: (told: Told) => void): Promise<void> {
  const listening = plane
    .events("/api/v1/member-events", signal, (data) => onEvent(JSON.parse(data) as Told))
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  // Whoever awaits it hears of it; when a wait fails first, the plane ends under it, and that is not the cause.
  listening.catch(() => undefined);
  return listening;
}
