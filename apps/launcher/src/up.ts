import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { languages, type Proc, startNats, startProcess, workerCommand } from "@muster/testkit";
import { ensureGroup, startControlPlane } from "./control-plane.ts";
import type { Ready } from "./setup/index.ts";
import { home, root, SetupError, say } from "./setup/tools.ts";

/**
 * Runs NATS (its store in `.muster/data`; `NATS_URL` names an outside one), the control plane and one worker of
 * each language in the example group, until Ctrl-C; then the workers drain and all is ended in order.
 * A second Ctrl-C ends everything at once.
 */
export async function up(args: readonly string[], ready: Ready): Promise<number> {
  if (args.length > 0) {
    say(`up takes no arguments, got ${args.join(" ")}`);
    return 2;
  }
  const all: { kill(signal?: NodeJS.Signals): unknown }[] = [];
  // Only the first signal drains. All children are detached: a Ctrl-C reaches us alone, NATS goes last.
  const stopped = new Promise<"asked to">((done) => {
    const stop = (): void => {
      for (const other of signals) process.off(other, stop).once(other, () => killAll(all));
      done("asked to");
    };
    for (const signal of signals) process.once(signal, stop);
  });
  await using stack = new AsyncDisposableStack();
  const { natsUrl, nats } = await natsFor(stack, all);
  const plane = stack.use(await startControlPlane(natsUrl, { detached: true }));
  all.push(plane);
  const file = JSON.parse(await readFile(join(root, "infra/groups/orders.json"), "utf8"));
  const { stream, group } = await ensureGroup(plane.url, file);

  const workers: Proc[] = [];
  for (const language of languages) {
    if (language !== "ts" && ready.missing[language] !== undefined) continue;
    const { argv, env } = workerCommand(language);
    const member = {
      NATS_URL: natsUrl,
      MUSTER_STREAM: stream,
      MUSTER_GROUP: group,
      WORKER_ID: `${language}-1`,
    };
    const onLine = (line: string): void => void process.stdout.write(`${language} ${line}\n`);
    const options = { onLine, detached: true };
    const worker = stack.use(startProcess(`worker ${language}`, argv, { ...env, ...member }, options));
    void worker.exited.then(({ code, signal }) =>
      say(`worker ${language} ended (${signal ?? `exit code ${code}`})`),
    );
    workers.push(worker);
  }
  all.push(...workers);
  say(`NATS           ${natsUrl}`);
  say(`control plane  ${plane.url}`);
  say(
    `group          ${stream} ${group}, ${workers.length} ${workers.length === 1 ? "worker" : "workers"}; see it with ./muster groups get ${stream} ${group}`,
  );
  say("Ctrl-C drains and ends it");

  const ended = await Promise.race([
    stopped,
    plane.exited.then(() => "control plane"),
    nats.then(() => "NATS"),
  ]);
  if (ended !== "asked to") say(`${ended} ended unasked; ending the rest`);
  say("draining");
  for (const worker of workers) worker.kill("SIGTERM");
  await Promise.all(workers.map((worker) => worker.exited));
  plane.kill("SIGTERM");
  await plane.exited;
  return ended === "asked to" ? 0 : 1;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The outside server, or one of our own; `nats` resolves when that ends. */
async function natsFor(
  stack: AsyncDisposableStack,
  all: unknown[],
): Promise<{ natsUrl: string; nats: Promise<unknown> }> {
  const outside = process.env["NATS_URL"];
  if (outside) return { natsUrl: outside, nats: new Promise(() => undefined) };
  const port = Number(process.env["MUSTER_DEV_PORT"] || 4222);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new SetupError("MUSTER_DEV_PORT must be a port, 1 to 65535");
  const storeDir = process.env["MUSTER_DEV_STORE"] || join(home, "data");
  const server = stack.use(await startNats({ port, storeDir, detached: true }));
  all.push(server);
  return { natsUrl: server.url, nats: server.exited };
}

/** For a second Ctrl-C: nobody waits any more. What NATS has acknowledged survives its kill. */
function killAll(all: readonly { kill(): unknown }[]): void {
  for (const one of all) void one.kill();
  process.exit(1);
}
