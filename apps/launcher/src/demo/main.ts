import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNats } from "@muster/testkit";
import { jetstream } from "@nats-io/jetstream";
import type { Ready } from "../setup/index.ts";
import { Children } from "./children.ts";
import { cleanUp } from "./clean-up.ts";
import { startControlPlane } from "./control-plane.ts";
import { Fleet } from "./fleet.ts";
import { hasFraudCheck } from "./fraud-check.ts";
import { namesOf, workMsFor } from "./group.ts";
import { demoHelp, type DemoOptions, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { isClosed, outcomeJson, outcomeText } from "./report.ts";
import { run } from "./run.ts";
import { connectTo, shown } from "./server.ts";
import { listenForSignals, Stopped } from "./signals.ts";

type Missing = Ready["missing"];

/** `./muster demo`: reads the arguments, runs the demo, gives the exit code. Set-up has told why what is in `missing` is. */
export async function demo(args: readonly string[], missing: Missing = {}): Promise<number> {
  const read = readOptions(args);
  switch (read.type) {
    case "help":
      process.stdout.write(demoHelp);
      return 0;
    case "bad":
      process.stderr.write(`muster demo: ${read.problem}; ./muster demo --help shows the options\n`);
      return 2;
    case "run":
      return await play(read.options, missing);
  }
}

/** Sets the stage, plays, and takes everything down again whatever happened. */
async function play(options: DemoOptions, missing: Missing): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "muster-demo-"));
  const stop = new AbortController();
  const fail = (error: Error): void => stop.abort(error);
  const children = new Children(dir, fail);
  using _signals = listenForSignals(stop, () => children.killAll());
  let isGood = false;
  try {
    isGood = await perform(options, missing, children, stop.signal, fail);
  } catch (error) {
    // What made everything stop is the cause; that a wait ended for it is not.
    const cause: unknown = stop.signal.aborted ? stop.signal.reason : error;
    if (cause instanceof Stopped) {
      await rm(dir, { recursive: true, force: true });
      process.stderr.write(`muster demo: ${cause.message}; everything it started is ended\n`);
      return cause.exitCode;
    }
    process.stderr.write(`muster demo: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  }
  const isLogged = (await readdir(dir)).length > 0;
  if (isGood || !isLogged) await rm(dir, { recursive: true, force: true });
  else process.stderr.write(`muster demo: the logs are in ${dir}\n`);
  return isGood ? 0 : 1;
}

async function perform(
  options: DemoOptions,
  missing: Missing,
  children: Children,
  signal: AbortSignal,
  fail: (error: Error) => void,
): Promise<boolean> {
  const progress = new Progress(process.stdout);
  const sharedUrl = process.env["NATS_URL"] || undefined;
  await using stack = new AsyncDisposableStack();
  const natsUrl = sharedUrl ?? stack.use(children.remember(await startNats({ detached: true }))).url;
  signal.throwIfAborted();
  const names = namesOf(sharedUrl !== undefined, `${Date.now().toString(36)}${process.pid.toString(36)}`);
  const nc = stack.adopt(await connectTo(natsUrl), (connection) => connection.close());
  const js = jetstream(nc);
  if (await hasFraudCheck(nc)) {
    throw new Error(
      `somebody answers fraud.check at ${shown(natsUrl)} already, so no order would be dead-lettered for want of it; use another server`,
    );
  }
  if (sharedUrl !== undefined) stack.defer(() => cleanUp(nc, names));
  stack.use(children);
  const plane = await startControlPlane(children, natsUrl, signal);
  progress.say(`NATS ${shown(natsUrl)}, control plane ${plane.url}`);

  const env = {
    NATS_URL: natsUrl,
    MUSTER_STREAM: names.stream,
    MUSTER_GROUP: names.group,
    MUSTER_HEARTBEAT_MS: "500",
    ORDER_WORK_MS: String(workMsFor(options.orders)),
  };
  const fleet = new Fleet(children, env, missing);
  for (const [language, reason] of fleet.broken) progress.say(`without ${language}: ${reason}`);

  const { outcome, problems } = await run({ options, names, nc, js, plane, fleet, progress, signal, fail });
  progress.say(`\n${outcomeText(outcome)}`);
  for (const problem of problems) progress.say(problem);
  if (options.keep) {
    progress.say(
      `kept running: NATS ${shown(natsUrl)}, control plane ${plane.url}, stream ${names.stream}, group ${names.group}; Ctrl-C ends it`,
    );
  }
  if (options.json) progress.say(JSON.stringify(outcomeJson(outcome)));
  if (options.keep) await kept(signal);
  return isClosed(outcome.account) && problems.length === 0;
}

/** Waits for Ctrl-C, which is how a kept demo ends well; anything else fails it. */
async function kept(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
  if (!(signal.reason instanceof Stopped)) throw signal.reason;
}

// Run by itself it takes what is set up; through ./muster the set-up comes first.
if (import.meta.main) process.exitCode = await demo(process.argv.slice(2));
