// muster members drain | watch
import type { MemberEvent } from "@muster/control-plane";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { type Format, print } from "../output.ts";
import { safe } from "../text.ts";

type Watched = NonNullable<Parameters<Client["groups"]["events"]["subscribe"]>[0]>;

/** Adds the commands for members. */
export function addMembers(program: Command, client: () => Client, format: () => Format): void {
  const members = program.command("members").description("steer one member, watch all");

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

/** Comes back by itself when the control plane does; ends with what it refuses. */
function watch(client: Client, of: Watched, format: Format): Promise<void> {
  return new Promise((resolve, reject) => {
    const subscription = client.groups.events.subscribe(of, {
      onData: (event) => process.stdout.write(`${format === "json" ? JSON.stringify(event) : line(event)}\n`),
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
