import type { DeadLetterReason } from "@muster/contracts";

/** How an order ends: done, or dead for this reason. */
export type End = "done" | DeadLetterReason;

/** A kind of order: how many there are, what its handler is told, and how it must end. */
export type Kind = {
  /** Share of all orders. */
  readonly share: number;
  /** How many there are at least, while orders last. Default: 1. */
  readonly least?: number;
  /** The conformance worker's directive; `work` where there is none. */
  readonly directive?: string;
  readonly end: End;
};

/** Longest a handler may take, in ms. */
export const TIMEOUT_MS = 1000;

/** Attempts until a message is dead. */
export const MAX_ATTEMPTS = 5;

/** All kinds: every way in which an order can go wrong and still be accounted for. */
export const kinds = {
  /** No JSON. */
  not_json: { share: 0.01, end: "invalid" },
  /** JSON that breaks the contract. */
  broken: { share: 0.015, end: "invalid" },
  /** Of a contract that the group does not accept. */
  unknown_contract: { share: 0.005, end: "unknown_contract" },
  permanent: { share: 0.02, directive: "permanent", end: "permanent" },
  /** Fails twice, then recovers. */
  recovers: { share: 0.03, directive: "retryable;times=2", end: "done" },
  /** Fails until it is dead, and is done when replayed; enough of them for every language to make some. */
  exhausted: { share: 0.02, least: 100, directive: "retryable;replays=1", end: "done" },
  /** Past its deadline at first, and ends by the abort. */
  hangs: { share: 0.01, directive: "hang;times=1", end: "done" },
  /** Always past its deadline, whatever the abort says: what it commits late counts, once. */
  overruns: { share: 0.005, directive: `block;ms=${TIMEOUT_MS + 600}`, end: "done" },
  snoozes: { share: 0.02, directive: "snooze;delay_ms=150;turns=2", end: "done" },
  /** Published twice, the same. */
  twice: { share: 0.02, end: "done" },
  /** Published twice with two bodies: one is done, the other is a dead letter `conflict`. */
  conflicts: { share: 0.01, end: "done" },
  /** Kills its process until it has one attempt on record. */
  crashes: { share: 0.0005, directive: "exit;times=1", end: "done" },
  /** Kills every process that takes it. */
  crash_loops: { share: 0.0002, directive: "exit", end: "crash_loop" },
} as const satisfies Record<string, Kind>;

/** The name of a kind; `good` orders are the rest. */
export type KindName = keyof typeof kinds | "good";

/** How an order of this kind ends. */
export function endOf(name: KindName): End {
  return name === "good" ? "done" : kinds[name].end;
}

/** What the handler is told of an order of this kind; `workMs` is what an ordinary one takes. */
export function directiveOf(name: KindName, workMs: number): string {
  const kind: Kind | undefined = name === "good" ? undefined : kinds[name];
  return kind?.directive ?? `block;ms=${workMs}`;
}

/** The kinds of `count` orders: each its share, in no order. */
export function kindsOf(count: number): KindName[] {
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const special = names.flatMap((name) => {
    const { share, least = 1 }: Kind = kinds[name];
    return Array.from({ length: Math.max(least, Math.round(count * share)) }, () => name);
  });
  const good = Array.from({ length: Math.max(0, count - special.length) }, () => "good" as const);
  return [...special.slice(0, count), ...good];
}
