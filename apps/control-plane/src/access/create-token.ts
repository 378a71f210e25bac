// Makes a token without a login: whoever has the control plane's access to NATS may do anything anyway.
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { NatsLink } from "../nats/connection.ts";
import { writeAudit } from "./audit.ts";
import { type Role, roles } from "./roles.ts";
import { createToken } from "./tokens.ts";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 10_000;

/** Prints the token and gives the exit code. */
export async function createTokenAtNats(config: Config, log: Log, args: readonly string[]): Promise<number> {
  const [name = "", role = ""] = args;
  if (name === "" || !isRole(role) || args.length > 2) {
    process.stderr.write(`usage: create-token <name> ${roles.join("|")}\n`);
    return 2;
  }
  const nats = new NatsLink(config.natsUrls, log);
  try {
    const until = Date.now() + PATIENCE_MS;
    while (!nats.isUp && Date.now() < until) await sleep(50);
    const actor = { id: "nats", name: "create-token", role: "admin" as const };
    const about = { actor, action: "tokens.create", request_id: `create-token-${process.pid}` };
    await writeAudit(nats.current(), { ...about, outcome: "begun", asked: { name, role } });
    const made = await createToken(nats.current(), { name, role });
    await writeAudit(nats.current(), { ...about, outcome: "done" });
    process.stdout.write(`${made?.token ?? ""}\n`);
    return 0;
  } finally {
    await nats.close();
  }
}

function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}
