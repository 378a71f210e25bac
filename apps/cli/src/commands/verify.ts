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
    .description(
      "close the account of a group: where every accepted event is; exit code 1 unless all are found",
    )
    .argument("<stream>")
    .argument("<group>")
    .action(async (stream: string, group: string) => {
      const answer = await client().verify.query({ stream, group });
      print(format(), answer, verified);
      if (!answer.ok) endWithFailure();
    });
}

function verified({ terms, lost, no_account, cannot_see }: Verified): string {
  const account = list([
    ["accepted", terms.accepted],
    ["= done", terms.done],
    ["+ dead", terms.dead],
    ["+ archived", terms.archived],
    ["+ waiting", terms.waiting],
    ["+ lost", terms.lost],
    ...(no_account === undefined ? [] : [["+ done or lost", terms.untraced] as const]),
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
  const result = [
    ...(no_account === undefined ? [] : [`no account of this group can be closed: ${safe(no_account)}`]),
    ...(terms.lost > 0 ? [`LOST: ${terms.lost}`, ...missing] : []),
  ];
  if (result.length === 0) result.push("the account closes: nothing is lost");
  return `${account}\n\n${result.join("\n")}\n\nnot seen by this account:\n${cannot_see.map((line) => `  ${safe(line)}`).join("\n")}`;
}
