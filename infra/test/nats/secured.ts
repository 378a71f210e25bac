// The secured server as the tests run it: made by infra/nats/secure.ts, with processes and raw connections that log in.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Language, loginOptions, type NatsServer, type Proc, startNats } from "@muster/testkit";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type Accounts, type GroupName, workersAccount } from "../../nats/accounts.ts";
import { type Secured, secure } from "../../nats/secure.ts";
import { readyControlPlane, startControlPlane, startWorker } from "../live/processes.ts";

/** A secured server; disposing of it ends what was started on it, and removes the keys. */
export type SecuredServer = {
  readonly url: string;
  readonly server: NatsServer;
  readonly secured: Secured;
  /** Starts the control plane; returns its address when it is connected. */
  controlPlane(): Promise<string>;
  /** Starts a worker with the login of its group's account; `env` is laid over it. */
  worker(language: Language, group: GroupName, env?: Record<string, string>): Proc;
  /** A raw connection of an account's user, which records what the server refuses. */
  connect(account: string): Promise<{ nc: NatsConnection; refusals: string[]; inboxes: string }>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Makes certificates and keys anew, and starts the server of infra/nats/secured.conf with them. */
export async function startSecured(accounts: Accounts): Promise<SecuredServer> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "muster-secured-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const secured = await secure(join(folder, "nats"), accounts);
  const server = stack.use(await startNats({ configFile: secured.configFile, env: secured.serverEnv }));
  const url = `tls://127.0.0.1:${server.port}`;
  const started = stack.use(new AsyncDisposableStack());
  const envOf = (account: string): Record<string, string> => {
    const env = secured.env.get(account);
    if (env === undefined) throw new Error(`there is no account ${account}`);
    return { ...env, NATS_URL: url };
  };
  const kept = stack.move();
  return {
    url,
    server,
    secured,
    controlPlane: async () => await readyControlPlane(started.use(startControlPlane(envOf("MUSTER")))),
    worker(language, group, env = {}) {
      const own = { ...envOf(workersAccount(group)), MUSTER_HEARTBEAT_MS: "500" };
      return started.use(startWorker(language, group, { ...own, ...env }));
    },
    async connect(account) {
      const env = envOf(account);
      const inboxes = env["MUSTER_INBOX_PREFIX"] ?? "";
      const nc = await connect({
        servers: url,
        ...loginOptions({ nkey: env["NATS_NKEY"], ca: env["NATS_CA"] }),
        inboxPrefix: inboxes,
        noAsyncTraces: true,
      });
      started.defer(() => nc.close());
      return { nc, refusals: recordRefusals(nc), inboxes };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function recordRefusals(nc: NatsConnection): string[] {
  const refusals: string[] = [];
  void (async () => {
    for await (const status of nc.status()) if (status.type === "error") refusals.push(status.error.message);
  })();
  return refusals;
}
