import { type Language, languages, type WorkerCommand, workerCommand } from "@muster/testkit";
import type { Child, Children } from "./children.ts";
import { type Patience, within } from "./wait.ts";

/** A worker of the demo, and whether it was killed. */
export type Worker = {
  readonly id: string;
  readonly language: Language;
  readonly child: Child;
  isKilled: boolean;
};

const DRAIN_MS = 40_000;

/** The workers of the demo: one per language that is set up. */
export class Fleet {
  readonly workers: Worker[] = [];
  /** Languages that could not be started though their toolchain is there, each with the reason. */
  readonly broken = new Map<Language, string>();
  readonly #children: Children;
  readonly #env: Record<string, string>;
  readonly #commands = new Map<Language, WorkerCommand>();

  /**
   * `env` says where to find NATS and the group; each worker gets its own `WORKER_ID`. A language in `missing`
   * is left out, also when a program that was built before is still there.
   */
  constructor(
    children: Children,
    env: Record<string, string>,
    missing: Partial<Record<Language, string>> = {},
  ) {
    this.#children = children;
    this.#env = env;
    for (const language of languages.filter((one) => missing[one] === undefined)) {
      try {
        this.#commands.set(language, workerCommand(language));
      } catch (error) {
        this.broken.set(language, error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Languages that can be started. */
  get languages(): Language[] {
    return [...this.#commands.keys()];
  }

  /** Workers that should be members now. */
  get alive(): Worker[] {
    return this.workers.filter((worker) => !worker.isKilled);
  }

  /** Starts a worker under an id that no other one had. */
  start(language: Language): Worker {
    const command = this.#commands.get(language);
    if (command === undefined) throw new Error(`there is no ${language} worker to start`);
    const number = this.workers.filter((worker) => worker.language === language).length + 1;
    const id = `demo-${language}-${number}`;
    const child = this.#children.start(id, command.argv, { ...command.env, ...this.#env, WORKER_ID: id });
    const worker: Worker = { id, language, child, isKilled: false };
    this.workers.push(worker);
    return worker;
  }

  /** Ends a worker in the middle of its work. */
  async kill(worker: Worker): Promise<void> {
    worker.isKilled = true;
    await worker.child.end("SIGKILL");
  }

  /** Asks all workers to finish and leave; says of each one that did not leave cleanly what it did. */
  async drain(signal: AbortSignal): Promise<string[]> {
    const patience: Patience = { signal, timeoutMs: DRAIN_MS };
    const problems = this.alive.map(async ({ id, child }) => {
      const exit = await within(
        `${id} to drain after SIGTERM (log: ${child.logFile})`,
        child.end("SIGTERM"),
        patience,
      );
      const how = exit.signal ?? `exit code ${exit.code}`;
      return exit.code === 0 ? [] : [`${id} did not drain cleanly: ${how}; its log is ${child.logFile}`];
    });
    return (await Promise.all(problems)).flat();
  }
}
