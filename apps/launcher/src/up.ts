import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { languages, type Proc, startNats, startProcess, workerCommand } from "@muster/testkit";
import { applyGroup, startControlPlane } from "./control-plane.ts";
import type { Ready } from "./setup/index.ts";
import { home, root, say } from "./setup/tools.ts";

/**
 * Runs NATS (its store in `.muster/data`; `NATS_URL` names an outside one), the control plane and one worker of
 * each language in the example group, until Ctrl-C; then the workers drain and all is ended in order.
 */
export async function up(args: readonly string[], ready: Ready): Promise<number> {
  if (args.length > 0) {
    say(`up takes no arguments, got ${args.join(" ")}`);
    return 2;
  }
  const stopped = new Promise<void>((done) => {
    process.once("SIGINT", () => done());
    process.once("SIGTERM", () => done());
  });
  const outside = process.env["NATS_URL"];
  await using stack = new AsyncDisposableStack();
  const port = Number(process.env["MUSTER_DEV_PORT"] ?? 4222);
  const server = outside ? undefined : stack.use(await startNats({ port, storeDir: join(home, "data") }));
  const url = outside ?? server?.url ?? "";
  const plane = stack.use(await startControlPlane({ natsUrl: url, env: {} }));
  const group = JSON.parse(await readFile(join(root, "infra/groups/orders.json"), "utf8"));
  const { stream, group: name } = await applyGroup(plane.url, group);
  const workers: Proc[] = [];
  for (const language of languages) {
    if (language !== "ts" && ready.missing[language] !== undefined) continue;
    const { argv, env } = workerCommand(language);
    const member = { NATS_URL: url, MUSTER_STREAM: stream, MUSTER_GROUP: name, WORKER_ID: `${language}-1` };
    const onLine = (line: string): void => void process.stdout.write(`${language} ${line}\n`);
    workers.push(stack.use(startProcess(`worker ${language}`, argv, { ...env, ...member }, { onLine })));
  }
  say(`NATS           ${url}`);
  say(`control plane  ${plane.url}`);
  say(
    `group          ${stream} ${name}, ${workers.length} workers; see it with ./muster groups get ${stream} ${name}`,
  );
  say("Ctrl-C drains and ends it");
  await stopped;
  say("draining");
  for (const worker of workers) worker.kill("SIGTERM");
  await Promise.all(workers.map((worker) => worker.exited));
  return 0;
}
