import { type Language, languages } from "@muster/testkit";
import { seeded } from "../demo/random.ts";

/** What happens to a process of the fleet. */
export type Blow = "SIGKILL" | "SIGTERM" | "SIGSTOP";

/** One step of the plan: when so many messages are confirmed, this happens to that seat. */
export type Step = {
  /** Messages up to here are published before and while it happens. */
  readonly upTo: number;
  readonly at: number;
  readonly seat: string;
  readonly blow: Blow;
  /** How long it stays stopped, in ms; of a SIGSTOP. */
  readonly stopMs: number;
};

/** What a plan is made of; `kills` and `stops` are for each language and signal. */
export type PlanOptions = { messages: number; kills: number; stops: number; ackWaitMs: number; seed: number };

/** Processes of each language. */
export const SEATS_EACH = 2;

/** The ids of a language's processes; a process that is started again has the same. */
export function seatsOf(language: Language): string[] {
  return Array.from({ length: SEATS_EACH }, (_, n) => `${language}-${n + 1}`);
}

/** The same plan for the same options: every language gets as many blows of each kind, spread over all messages. */
export function seededPlan({ messages, kills, stops, ackWaitMs, seed }: PlanOptions): Step[] {
  const random = seeded(seed);
  const counts = { SIGKILL: kills, SIGTERM: kills, SIGSTOP: stops } as const;
  const blows = languages.flatMap((language) =>
    (Object.keys(counts) as Blow[]).flatMap((blow) =>
      Array.from({ length: counts[blow] }, () => ({ blow, seat: random.pick(seatsOf(language)) })),
    ),
  );
  // One slice more than blows: the fleet ends in peace.
  const slice = messages / (blows.length + 1);
  return random.shuffle(blows).map(({ blow, seat }, n) => ({
    upTo: Math.floor(slice * (n + 1)),
    at: Math.floor(slice * (n + random.between(20, 80) / 100)),
    seat,
    blow,
    stopMs: blow === "SIGSTOP" ? Math.round(ackWaitMs * (1.5 + random.next())) : 0,
  }));
}

/** A step in a line. */
export function stepText({ at, seat, blow, stopMs }: Step): string {
  const text = `${String(at).padStart(6)}  ${seat}  ${blow}`;
  return blow === "SIGSTOP" ? `${text} for ${stopMs} ms` : text;
}
