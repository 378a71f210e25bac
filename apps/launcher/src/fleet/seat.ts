import { appendFileSync } from "node:fs";
import { type Language, type Proc, startProcess, type WorkerCommand } from "@muster/testkit";
import type { LogLine } from "./logs.ts";
import type { Blow, Step } from "./plan.ts";

/** How to seat a process. */
export type SeatOptions = {
  id: string;
  language: Language;
  command: WorkerCommand;
  env: Record<string, string>;
  logFile: string;
  /** Hears of an end that nobody asked for. */
  fail: (error: Error) => void;
};

/** A member's place in the fleet: a process that is started again whenever it ends, under the same id. */
export class Seat {
  readonly id: string;
  readonly language: Language;
  /** What its processes said, all of them. */
  readonly logs: LogLine[] = [];
  /** Blows that it got from the plan. */
  readonly blows: Record<Blow, number> = { SIGKILL: 0, SIGTERM: 0, SIGSTOP: 0 };
  /** Times that a message killed its process. */
  crashes = 0;
  /** What went wrong with an end, a line each. */
  readonly problems: string[] = [];
  /** Port of the process that runs now; 0 until it listens. */
  httpPort = 0;
  readonly #options: SeatOptions;
  #proc: Proc | undefined;
  #run = 0;
  #hasJoined = false;
  #isStopped = false;
  #asked: Blow | undefined;
  #isClosing = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: SeatOptions) {
    this.id = options.id;
    this.language = options.language;
    this.#options = options;
    this.#start();
  }

  /** Whether its process has joined the group, is not stopped and was not told to end. */
  get isReady(): boolean {
    return this.#hasJoined && !this.#isStopped && this.#asked === undefined && !this.#isClosing;
  }

  /** Number of the process that runs now, from 1. */
  get run(): number {
    return this.#run;
  }

  /** Does to its process what the plan says. */
  strike({ blow, stopMs }: Step): void {
    this.blows[blow] += 1;
    this.#proc?.kill(blow);
    if (blow !== "SIGSTOP") {
      this.#asked = blow;
      return;
    }
    this.#isStopped = true;
    const stopped = this.#proc;
    setTimeout(() => {
      stopped?.kill("SIGCONT");
      this.#isStopped = false;
    }, stopMs);
  }

  /** Asks its process to leave, for good; resolves when it is gone. */
  async drain(): Promise<void> {
    this.#isClosing = true;
    this.#asked = "SIGTERM";
    this.#proc?.kill("SIGTERM");
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#asked ??= "SIGKILL";
    this.#proc?.kill("SIGKILL");
    await this.#ended;
  }

  #start(): void {
    const { id, command, env, logFile } = this.#options;
    this.#run += 1;
    this.#hasJoined = false;
    this.#asked = undefined;
    this.httpPort = 0;
    const onLine = (text: string): void => this.#hear(text, logFile);
    const own = { ...command.env, ...env, WORKER_ID: id, MUSTER_HTTP_PORT: "0" };
    this.#proc = startProcess(`${id} (${this.#run})`, command.argv, own, { onLine, detached: true });
    this.#ended = this.#proc.exited.then((exit) => this.#end(exit));
  }

  #hear(text: string, logFile: string): void {
    appendFileSync(logFile, `${text}\n`);
    let fields: Record<string, unknown>;
    try {
      fields = JSON.parse(text) as Record<string, unknown>;
    } catch {
      this.problems.push(`${this.id} said what is no JSON: ${text}`);
      return;
    }
    this.logs.push({ seat: this.id, run: this.#run, fields });
    if (fields["msg"] === "joined") this.#hasJoined = true;
    if (fields["msg"] === "listening") this.httpPort = Number(fields["http_port"]);
  }

  #end({ code, signal }: { code: number | null; signal: NodeJS.Signals | null }): void {
    const { id, fail, logFile } = this.#options;
    const how = signal ?? `exit code ${code}`;
    const isAsked = this.#asked !== undefined;
    if (this.#asked === "SIGTERM" && code !== 0 && signal !== "SIGKILL")
      this.problems.push(`${id} (${this.#run}) did not drain cleanly: ${how}`);
    // A message that kills its process does so at any time, also while it drains.
    if (signal === "SIGKILL" && this.#asked !== "SIGKILL") this.crashes += 1;
    if (!isAsked && signal !== "SIGKILL") {
      fail(new Error(`${id} (${this.#run}) ended by itself (${how}); its log is ${logFile}`));
      return;
    }
    if (!this.#isClosing) this.#start();
  }
}
