// muster verify <stream> <group>
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { list } from "../table.ts";
import { safe } from "../text.ts";

type Verified = Awaited<ReturnType<Client["verify"]["query"]>>;

/** Adds the command that closes a group's account. */
export function addVerify(program: Command, client: () => Client, format: () => Format): void {
  program
    .command("verify")
    .description("close the account of a group: where every accepted event is; exit code 1 when one is lost")
    .argument("<stream>")
    .argument("<group>")
    .action(async (stream: string, group: string) => {
      const answer = await client().verify.query({ stream, group });
      print(format(), answer, verified);
      if (!answer.ok) endWithFailure();
    });
}

function verified({ terms, lost, ok, cannot_see }: Verified): string {
  const account = list([
    ["accepted", terms.accepted],
    ["= done", terms.done],
    ["+ dead", terms.dead],
    ["+ archived", terms.archived],
    ["+ waiting", terms.waiting],
    ["+ lost", terms.lost],
    ["", ""],
    ["ready", terms.ready],
    ["in flight", terms.in_flight],
    ["backing off", terms.backing_off],
    ["repeats", terms.repeats],
    ["conflicts", terms.conflicts],
  ]);
  const missing = lost.map((one) =>
    "event_id" in one ? `  event ${safe(one.event_id)}` : `  message ${one.sequence}`,
  );
  const result = ok ? "the account closes: nothing is lost" : `LOST: ${terms.lost}\n${missing.join("\n")}`;
  return `${account}\n\n${result}\n\nnot seen by this account:\n${cannot_see.map((line) => `  ${safe(line)}`).join("\n")}`;
}
