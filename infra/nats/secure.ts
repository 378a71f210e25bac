// Makes what the secured server and its users need, in a folder: a certificate authority, the server's certificate, an
// nkey for each user, the accounts and the environment. For production take certificates of your own authority.
//   node infra/nats/secure.ts <folder> [STREAM.group …] [--publish <subject>]
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeAuthority } from "@muster/testkit/certificates";
import { nkeys } from "@nats-io/transport-node";
import {
  type Accounts,
  accountsConfig,
  parseAccounts,
  workerApiPrefix,
  workersAccount,
  workersInbox,
} from "./accounts.ts";

/** What was made, as environments. */
export type Secured = {
  /** The server's configuration, which includes the accounts beside it. */
  configFile: string;
  /** For nats-server. */
  serverEnv: Record<string, string>;
  /** For each who logs in, by account; `MUSTER` is the control plane. Not in them: NATS_URL. */
  env: ReadonlyMap<string, Record<string, string>>;
};

/** Makes it all anew in the folder. `hosts`: names and addresses by which the server is reached. */
export async function secure(
  folder: string,
  accounts: Accounts,
  hosts: readonly string[] = ["localhost", "127.0.0.1"],
): Promise<Secured> {
  const at = (name: string): string => join(resolve(folder), name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secret = (name: string, text: string) => writeFile(at(name), text, { mode: 0o600 });
  const authority = await makeAuthority("Muster's own authority", { days: 365 });
  const server = await authority.issue(hosts);
  await writeFile(at("ca.pem"), authority.cert);
  await writeFile(at("server.pem"), server.cert);
  await secret("server-key.pem", server.key);
  await writeFile(at("accounts.conf"), accountsConfig(accounts));
  await copyFile(join(import.meta.dirname, "secured.conf"), at("secured.conf"));
  const serverEnv: Record<string, string> = {
    NATS_TLS_CERT: at("server.pem"),
    NATS_TLS_KEY: at("server-key.pem"),
  };
  const env = new Map<string, Record<string, string>>();
  const user = async (account: string, variable: string, more: Record<string, string>) => {
    const pair = nkeys.createUser();
    serverEnv[variable] = pair.getPublicKey();
    await secret(`${account}.nk`, `${new TextDecoder().decode(pair.getSeed())}\n`);
    env.set(account, { NATS_NKEY: at(`${account}.nk`), NATS_CA: at("ca.pem"), ...more });
  };
  await user("MUSTER", "NKEY_CONTROL_PLANE", { MUSTER_INBOX_PREFIX: "_INBOX_CONTROL" });
  await user("PUBLISHERS", "NKEY_PUBLISHERS", { MUSTER_INBOX_PREFIX: "_INBOX_PUBLISHERS" });
  for (const name of accounts.groups) {
    const account = workersAccount(name);
    await user(account, `NKEY_${account}`, {
      MUSTER_API_PREFIX: workerApiPrefix,
      MUSTER_INBOX_PREFIX: workersInbox(name),
      MUSTER_STREAM: name.stream,
      MUSTER_GROUP: name.group,
    });
  }
  for (const [account, variables] of [["server", serverEnv] as const, ...env])
    await writeFile(at(`${account}.env`), lines(variables));
  return { configFile: at("secured.conf"), serverEnv, env };
}

function lines(env: Record<string, string>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

if (import.meta.main) {
  const [folder, ...rest] = process.argv.slice(2);
  if (folder === undefined || folder.startsWith("-")) {
    process.stderr.write(
      "usage: node infra/nats/secure.ts <folder> [STREAM.group …] [--publish <subject>]\n",
    );
    process.exit(2);
  }
  const { configFile } = await secure(folder, parseAccounts(rest));
  process.stdout.write(`set -a; . ${folder}/server.env; nats-server -c ${configFile}\n`);
}
