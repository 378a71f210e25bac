// What became of the letters that a job sent first.
import { dlqFilter, dlqStream, replayFilter, replayMsgId, replayNumberOf } from "@muster/contracts";
import { toDeadLetter } from "../dead-letters/read.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { scanStream } from "../nats/scan.ts";
import type { Canary, ReplayJob } from "./job.ts";
import { isSettled, rowOf } from "./trace.ts";

/**
 * Looks at the canaries of a job, again and again. A ledger row tells that one is done. Where there is no
 * ledger, or none that we see, one whose message the group has settled is done when it left no dead letter:
 * a member publishes that before it gives up the message.
 */
export class CanaryWatch {
  readonly #nats: Nats;
  readonly #ledgers: () => Ledgers;
  readonly #stream: string;
  // The messages of the canaries' events that died since, by group and event.
  readonly #died = new Map<string, { seq: number; replays: number }[]>();
  #next: number;

  constructor(nats: Nats, ledgers: () => Ledgers, job: ReplayJob) {
    this.#nats = nats;
    this.#ledgers = ledgers;
    this.#stream = job.stream;
    this.#next = (job.canaries_after ?? 0) + 1;
  }

  /** The canaries with the outcomes that are known by now; one that turns out not to have been sent is left out. */
  async look(canaries: readonly Canary[]): Promise<Canary[]> {
    const ledgers = this.#ledgers();
    const { retention } = (await getStream(this.#nats, this.#stream)).config;
    const settled = await Promise.all(canaries.map((canary) => this.#isSettled(canary, retention)));
    const rows = await Promise.all(
      canaries.map((canary, i) => this.#row(ledgers, canary, settled[i] === true)),
    );
    // Last, because what is settled by now has its dead letter by now.
    await this.#readDeaths(new Set(canaries.map(eventOf)));
    return canaries.flatMap((canary, i) => {
      if (canary.outcome !== undefined) return [canary];
      const row = rows[i];
      if (this.#hasDied(canary)) return [{ ...canary, outcome: "dead" as const }];
      if (row === "done") return [{ ...canary, outcome: "done" as const }];
      if (settled[i] !== true) return [canary];
      if (row === "unseen") return [{ ...canary, outcome: "done" as const }];
      return canary.seq === undefined ? [] : [{ ...canary, outcome: "lost" as const }];
    });
  }

  /** Whether the group is through with its message, or the message is gone. */
  async #isSettled({ id, group, seq, outcome }: Canary, retention: string): Promise<boolean> {
    if (outcome !== undefined) return true;
    const sequence = seq ?? (await this.#find(group, id));
    if (sequence === undefined) return true;
    return await isSettled(this.#nats, this.#stream, { id, group, seq: sequence }, retention);
  }

  /** Where a replay lies that a killed control plane sent. */
  async #find(group: string, id: string): Promise<number | undefined> {
    const options = { filter: replayFilter(this.#stream, group), isCertain: true };
    for await (const { seq, headers } of scanStream(this.#nats, this.#stream, options))
      if (headers?.last("Nats-Msg-Id") === replayMsgId(id)) return seq;
    return undefined;
  }

  /** `isThrough`: its row is there by now, and a replica may have an older one, or none yet. */
  async #row(
    ledgers: Ledgers,
    { group, event_id }: Canary,
    isThrough: boolean,
  ): Promise<"done" | "other" | "unseen"> {
    const row = await rowOf(ledgers, { stream: this.#stream, group, eventId: event_id }, isThrough);
    if (row === "unseen") return row;
    return row?.status === "done" ? "done" : "other";
  }

  #hasDied(canary: Canary): boolean {
    const died = this.#died.get(eventOf(canary)) ?? [];
    return died.some(({ seq, replays }) =>
      canary.seq === undefined ? replays >= canary.replay_number : seq === canary.seq,
    );
  }

  async #readDeaths(events: ReadonlySet<string>): Promise<void> {
    const options = { from: this.#next, filter: dlqFilter(this.#stream), isCertain: true };
    for await (const message of scanStream(this.#nats, dlqStream(this.#stream), options)) {
      this.#next = message.seq + 1;
      const { group, seq, eventId, headers } = toDeadLetter(this.#stream, message);
      const event = eventOf({ group, event_id: eventId });
      if (!events.has(event)) continue;
      const replays = replayNumberOf(headers["Muster-Dlq-Replay-Number"]);
      this.#died.set(event, [...(this.#died.get(event) ?? []), { seq, replays }]);
    }
  }
}

/** Why the others must not follow; nothing while no canary has failed. */
export function whyFailed(canaries: readonly Canary[]): ReplayJob["reason"] {
  const bad = canaries.filter(({ outcome }) => outcome === "dead" || outcome === "lost");
  const [first] = bad;
  if (first === undefined) return undefined;
  const what = first.outcome === "dead" ? "died again" : "left the stream without a trace";
  return {
    code: "canary_failed",
    message: `${bad.length} of ${canaries.length} letters that went first ${what}, the first one ${first.id}; the others lie where they lay`,
  };
}

function eventOf({ group, event_id }: Pick<Canary, "group" | "event_id">): string {
  return `${group} ${event_id}`;
}
