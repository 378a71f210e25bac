import type { ZodType, z } from "zod";
import type { BatchHandler } from "./batch.ts";
import type { WorkerConfig } from "./config.ts";
import type { Step } from "./ends.ts";
import type { Handler } from "./handle.ts";
import type { Logger } from "./log.ts";
import type { Middleware } from "./middleware.ts";

/** What a worker is made of. */
export type WorkerOptions<T extends ZodType> = {
  /** Gives the handler its type; what is accepted is decided by the group's contract in NATS. */
  contract: T;
  config: WorkerConfig;
  /** Default: JSON lines on stdout. */
  log?: Logger;
  /**
   * Ask the server to confirm each ack before its place in hand is given to the next message. Costs about a third of
   * the speed, and narrows, but does not close, the time in which a killed server forgets an ack. Default: false.
   */
  confirmAcks?: boolean;
  /** Silence of a pull, in milliseconds, after which the watchdog asks the server. Default: 30,000. */
  stallMs?: number;
  /** Called when a delivery passes a step, for tests. */
  onStep?: (step: Step, message: { sequence: number; eventId: string }) => void;
} & (
  | {
      handler: Handler<z.infer<T>>;
      batchHandler?: never;
      /** Run around each call of the handler, the first one outermost. Default: none. */
      middleware?: readonly Middleware[];
    }
  | {
      /** In a group of mode `batch` it gets several messages at once, in the other modes one. */
      batchHandler: BatchHandler<z.infer<T>>;
      handler?: never;
      middleware?: never;
    }
);

/** How a worker's life ended. */
export interface WorkerEnd {
  /** `drained`: all that ran has ended. `grace`: handlers still ran. `forced`: told to stop at once. `taken`: the id is another's. `refused`: the server refuses the login, or what a member needs. */
  readonly reason: "drained" | "grace" | "forced" | "taken" | "refused";
}
