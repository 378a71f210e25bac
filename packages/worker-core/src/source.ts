import type { Msg } from "@nats-io/transport-node";
import type { Turn } from "./turn.ts";

/** Where a group's messages come from: pull requests, a deliver subject, or core subjects. */
export interface Source {
  /** Looks whether messages may be taken, and how many: something may have changed. */
  wake(): void;
  /** Stops taking messages; resolves when nothing more can arrive. */
  drain(): Promise<void>;
}

/** What a source asks the worker. */
export interface SourceOptions {
  readonly turn: Turn;
  /** Handlers at once; twice as many messages are held. */
  readonly concurrency: () => number;
  /** Messages in hand, started or not. */
  readonly held: () => number;
  /** True when a message that came now would start at once. */
  readonly hasFreeSlot: () => boolean;
  /** False while paused, degraded, draining or without a spec. */
  readonly mayPull: () => boolean;
  /** False while what comes would not look fresh: see `Hold`. */
  readonly isFresh: () => boolean;
  /** Called before more is asked for: the acks that wait go first, or the server would count too many in hand. */
  readonly onSend: () => void;
  readonly onMessage: (msg: Msg) => void;
}
