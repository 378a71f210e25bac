// Makes a token without a login: whoever has the control plane's access to NATS may do anything anyway.
import { readFile, writeFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { NatsLink } from "../nats/connection.ts";
import { writeAudit } from "./audit.ts";
import { type Role, roles } from "./roles.ts";
import { actorOf, createToken } from "./tokens.ts";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 10_000;

/**
 * Prints the token, or writes it to the file that is named; gives the exit code. Where the file holds
 * a token that is good for the role, nothing is made: a set-up may run again.
 */
export async function createTokenAtNats(
  config: Config,
  log: Log,
  args: readonly string[],
  onRefused: (why: string) => void,
): Promise<number> {
  const [name = "", role = "", file] = args;
  if (name === "" || !isRole(role) || args.length > 3) {
    process.stderr.write(`usage: create-token <name> ${roles.join("|")} [file]\n`);
    return 2;
  }
  const nats = new NatsLink(config, log, onRefused);
  try {
    const until = Date.now() + PATIENCE_MS;
    while (!nats.isUp && Date.now() < until) await sleep(50);
    const held = file === undefined ? undefined : await readFile(file, "utf8").catch(() => undefined);
    if (held !== undefined && (await actorOf(nats.current(), held.trim()))?.role === role) return 0;
    const actor = { id: "nats", name: "create-token", role: "admin" as const };
    const about = { actor, action: "tokens.create", request_id: `create-token-${process.pid}` };
    await writeAudit(nats.current(), { ...about, outcome: "begun", asked: { name, role } });
    const made = await createToken(nats.current(), { name, role });
    await writeAudit(nats.current(), { ...about, outcome: "done" });
    const line = `${made?.token ?? ""}\n`;
    if (file === undefined) process.stdout.write(line);
    // Who may read it is said by the umask and by the folder.
    else await writeFile(file, line);
    return 0;
  } finally {
    await nats.close();
  }
}

function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}
