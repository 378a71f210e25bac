// muster members list | drain | watch
import type { MemberEvent } from "@muster/control-plane";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { type Format, print } from "../output.ts";
import { table } from "../table.ts";
import { safe, safeJson } from "../text.ts";
import { addWatch, show, type Watching } from "../watch.ts";
import { memberState } from "./group-views.ts";
import { toNumber } from "./numbers.ts";

type Page = Awaited<ReturnType<Client["groups"]["members"]["query"]>>;
type Listed = NonNullable<Parameters<Client["groups"]["members"]["query"]>[0]>;
type Watched = NonNullable<Parameters<Client["groups"]["events"]["subscribe"]>[0]>;

/** Adds the commands for members. */
export function addMembers(program: Command, client: () => Client, format: () => Format): void {
  const members = program.command("members").description("look at members, steer one, watch all");

  addWatch(members.command("list"))
    .description("live members by their latest heartbeats, a page at a time")
    .option("--stream <name>")
    .option("--group <name>", "of the stream that is given")
    .option("--language <name>")
    .option("--state <state>", "starting, running, paused or draining")
    .option("--degraded", "only those whose ledger, records or dead letters are out of reach")
    .option("--limit <n>", "on a page, at most 500", toNumber, 100)
    .option("--cursor <cursor>", "the next_cursor of the page before")
    .action(({ watch: isWatching, every, ...of }: Listed & Watching) =>
      show(format(), { watch: isWatching, every }, () => client().groups.members.query(of), {
        people: page,
        items: ({ items }) => items,
        more: ({ next_cursor: next }) => (next === undefined ? undefined : `--cursor ${next}`),
      }),
    );

  members
    .command("drain")
    .argument("<stream>")
    .argument("<group>")
    .argument("<member>")
    .description("let it finish what runs, give back the rest and leave")
    .action(async (stream: string, group: string, member: string) => {
      const answer = await client().groups.drainMember.mutate({ stream, group, member });
      print(
        format(),
        answer,
        ({ in_flight, held }) => `member ${member} drains: ${in_flight} running, ${held} in hand`,
      );
    });

  members
    .command("watch")
    .description("who joins, leaves and crashes, a line each, until Ctrl-C; with -o json an object a line")
    .option("--stream <name>")
    .option("--group <name>")
    .action((options: Watched) => watch(client(), options, format()));
}

function page({ items, total, next_cursor }: Page): string {
  if (items.length === 0) return "no members; start one with: muster worker ts|go|py";
  const rows = items.map(({ stream, group, member }) => [
    stream,
    group,
    member.id,
    member.language,
    memberState(member),
    member.in_flight,
    member.held,
    member.counts.done,
    member.counts.dead,
    member.host,
    member.pid,
  ]);
  const head = [
    "stream",
    "group",
    "member",
    "language",
    "state",
    "in flight",
    "held",
    "done",
    "dead",
    "host",
    "pid",
  ];
  const more = next_cursor === undefined ? "" : `; the next page: --cursor ${next_cursor}`;
  return `${table(head, rows)}\n\n${items.length} of ${total} members${more}`;
}

/** Comes back by itself when the control plane does; ends with what it refuses. */
function watch(client: Client, of: Watched, format: Format): Promise<void> {
  return new Promise((resolve, reject) => {
    const subscription = client.groups.events.subscribe(of, {
      onData: (event) => process.stdout.write(`${format === "table" ? line(event) : safeJson(event, 0)}\n`),
      onError: reject,
      onComplete: resolve,
    });
    process.once("SIGINT", () => {
      subscription.unsubscribe();
      resolve();
    });
  });
}

function line({ at, event, member, stream, group, language = "?", state, degraded }: MemberEvent): string {
  const more =
    event === "here" || event === "joined" || event === "changed"
      ? `, ${state}${degraded ? ", degraded" : ""}`
      : "";
  return safe(`${at}  ${event.padEnd(7)}  ${member} (${language}) of ${group} of ${stream}${more}`);
}
