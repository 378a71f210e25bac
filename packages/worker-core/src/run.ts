import { MusterError } from "@muster/contracts";
import type { ZodType, z } from "zod";
import type { WorkerConfig } from "./config.ts";
import { readConfig } from "./config.ts";
import type { Handler } from "./handle.ts";
import type { WorkerEnd, WorkerOptions } from "./worker.ts";
import { Worker } from "./worker.ts";

const exitCodes: Record<WorkerEnd["reason"], number> = { drained: 0, grace: 1, forced: 1, taken: 3 };

/**
 * Runs a worker for the life of the process: configuration from the environment, SIGTERM and SIGINT
 * drain, a second one forces, the exit code says how it ended.
 * Resolves only in a process that is about to exit.
 */
export async function runWorker<T extends ZodType>(
  contract: T,
  handler: Handler<z.infer<T>>,
  options: Pick<WorkerOptions<T>, "onStep" | "log"> & { version?: string } = {},
): Promise<never> {
  const config = configOrExit();
  if (options.version !== undefined) {
    config.version = options.version;
  }
  const worker = new Worker({ ...options, contract, handler, config });
  let signals = 0;
  const onSignal = () => {
    signals += 1;
    void (signals === 1 ? worker.drain() : worker.kill());
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const started = worker.start();
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

/** Never resolves; rejects when the promise does. */
async function failed(promise: Promise<void>): Promise<never> {
  await promise;
  return new Promise(() => undefined);
}
