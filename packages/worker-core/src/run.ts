import { MusterError } from "@muster/contracts";
import type { ZodType, z } from "zod";
import type { WorkerConfig } from "./config.ts";
import { readConfig } from "./config.ts";
import type { BatchHandler } from "./batch.ts";
import type { Step } from "./ends.ts";
import type { Handler } from "./handle.ts";
import type { Logger } from "./log.ts";
import type { Middleware } from "./middleware.ts";
import { Worker } from "./worker.ts";
import type { WorkerEnd } from "./worker-options.ts";

const exitCodes: Record<WorkerEnd["reason"], number> = {
  drained: 0,
  grace: 1,
  forced: 1,
  taken: 3,
  refused: 4,
};

/** What the environment does not say. */
export interface RunOptions {
  /** Version of the application, told in records and dead letters. Default: MUSTER_APP_VERSION, else the core's. */
  version?: string;
  /** Default: JSON lines on stdout, by LOG_LEVEL. */
  log?: Logger;
  /** Run around each call of the handler, the first one outermost; not with a batch handler. */
  middleware?: readonly Middleware[];
  /** See {@link WorkerOptions}. Default: false. */
  confirmAcks?: boolean;
  onStep?: (step: Step, message: { sequence: number; eventId: string }) => void;
}

/**
 * Runs a worker for the life of the process: configuration from the environment, SIGTERM and SIGINT
 * drain, a second one forces, the exit code says how it ended: 0 clean drain, 1 forced or grace over, 2 bad
 * environment (each bad variable on stderr), 3 the id is in use,
 * 4 the server refuses the login or what a member needs.
 * Resolves only in a process that is about to exit.
 */
export async function runWorker<T extends ZodType>(
  contract: T,
  handler: Handler<z.infer<T>> | { batchHandler: BatchHandler<z.infer<T>> },
  { version, middleware, ...options }: RunOptions = {},
): Promise<never> {
  const config = configOrExit();
  if (version !== undefined) {
    config.version = version;
  }
  const worker = new Worker({
    ...options,
    contract,
    config,
    ...(typeof handler === "function"
      ? { handler, ...(middleware === undefined ? {} : { middleware }) }
      : handler),
  });
  let signals = 0;
  const onSignal = () => {
    signals += 1;
    void (signals === 1 ? worker.drain() : worker.kill());
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const started = worker.start().catch(exitWhenPortIsTaken);
  const end = await Promise.race([worker.closed, failed(started)]);
  // A forced stop does not wait for anything; the others leave in good order first.
  if (end.reason !== "forced") {
    await worker.drain();
  }
  process.exit(exitCodes[end.reason]);
}

function configOrExit(): WorkerConfig {
  try {
    return readConfig();
  } catch (error) {
    if (error instanceof MusterError && error.code === "bad_config") {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    throw error;
  }
}

function exitWhenPortIsTaken(error: unknown): never {
  if (error instanceof MusterError && (error.code === "port_in_use" || error.code === "cannot_listen")) {
    process.stderr.write(`MUSTER_HTTP_PORT: ${error.message}\n`);
    process.exit(2);
  }
  throw error;
}

/** Never resolves; rejects when the promise does. */
async function failed(promise: Promise<void>): Promise<never> {
  await promise;
  return new Promise(() => undefined);
}
