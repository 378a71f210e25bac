import type { Message } from "./message.ts";

/** What takes messages in hand and starts their handlers, within the group's concurrency. */
export interface Intake {
  /** Takes a message that came. */
  take(message: Message): void;
  /** Starts what there is room for; called again when the concurrency was raised. */
  pump(): void;
  /** Has nothing more started; what waits is given back by `drain`. */
  stop(): void;
  /** Gives back what was not started and resolves when nothing runs any more. */
  drain(): Promise<void>;
  /** Messages in hand, started or not. */
  readonly count: number;
  /** True when a message that came now would start at once. */
  readonly hasFreeSlot: boolean;
  /** Messages that wait until no other suspect runs. */
  readonly suspectCount: number;
  /** The message longest in hand of those that run, with the wall clock of its start. */
  readonly oldest: { sequence: number; sinceMs: number } | undefined;
}
