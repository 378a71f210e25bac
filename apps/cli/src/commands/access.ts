// muster tokens create | list | revoke, muster audit
import type { Command } from "commander";
import { askToGoOn } from "../ask.ts";
import type { Client } from "../client.ts";
import { type Format, print } from "../output.ts";
import { list, table } from "../table.ts";
import { toNumber } from "./numbers.ts";

type Made = Awaited<ReturnType<Client["tokens"]["create"]["mutate"]>>;
type Tokens = Awaited<ReturnType<Client["tokens"]["list"]["query"]>>;
type Page = Awaited<ReturnType<Client["audit"]["list"]["query"]>>;
type Role = Parameters<Client["tokens"]["create"]["mutate"]>[0]["role"];

/** Adds the commands for who may do what, and who did what. */
export function addAccess(program: Command, client: () => Client, format: () => Format): void {
  const tokens = program.command("tokens").description("who may call the control plane");

  tokens
    .command("create")
    .description("make a token; it is shown this once")
    .requiredOption("--name <name>", "whose it is")
    .requiredOption("--role <role>", "viewer, operator or admin")
    .option("--expires-in-days <n>", "default: never", toNumber)
    .action(async ({ name, role, expiresInDays }: { name: string; role: Role; expiresInDays?: number }) => {
      const input = {
        name,
        role,
        ...(expiresInDays === undefined ? {} : { expires_in_days: expiresInDays }),
      };
      print(format(), await client().tokens.create.mutate(input), made);
    });

  tokens
    .command("list")
    .description("all tokens, without what they are made of")
    .action(async () => print(format(), await client().tokens.list.query(), tokenTable));

  tokens
    .command("revoke")
    .description("end a token at once")
    .argument("<id>")
    .option("--yes", "without asking")
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      await askToGoOn(`token ${id} will let nobody in any more, for good`, yes);
      print(
        format(),
        await client().tokens.revoke.mutate({ id }),
        ({ revoked_at }) => `token ${id} is revoked since ${revoked_at}`,
      );
    });

  program
    .command("audit")
    .description("who did what, and who was not let; the newest first")
    .option("--limit <n>", "rows, 500 at most", toNumber, 50)
    .option("--cursor <n>", "older than this row", toNumber)
    .option("--action <action>", "for example groups.apply")
    .option("--actor <id>", "the id of a token")
    .action(async (options: { limit: number; cursor?: number; action?: string; actor?: string }) =>
      print(format(), await client().audit.list.query(options), {
        people: page,
        items: ({ rows }) => rows,
        more: ({ next }) => (next === undefined ? undefined : `--cursor ${next}`),
      }),
    );
}

function made({ token, id, name, role, expires_at }: Made): string {
  return `${list([
    ["token", token],
    ["id", id],
    ["name", name],
    ["role", role],
    ["expires", expires_at ?? "never"],
  ])}\n\nIt is shown this once: keep it, and set MUSTER_TOKEN.`;
}

function tokenTable(tokens: Tokens): string {
  return table(
    ["id", "name", "role", "created", "last used", "ends"],
    tokens.map(({ id, name, role, created_at, last_used_at, expires_at, revoked_at }) => [
      id,
      name,
      role,
      created_at,
      last_used_at ?? "never",
      revoked_at === undefined ? (expires_at ?? "never") : `revoked ${revoked_at}`,
    ]),
  );
}

function page({ rows, next }: Page): string {
  if (rows.length === 0) return "no rows";
  const lines = table(
    ["row", "at", "who", "action", "outcome", "code", "input"],
    rows.map(({ sequence, at, actor, action, outcome, code, input }) => [
      sequence,
      at,
      `${actor.name} (${actor.id})`,
      action,
      outcome,
      code,
      input,
    ]),
  );
  return next === undefined ? lines : `${lines}\n\nolder rows: --cursor ${next}`;
}
