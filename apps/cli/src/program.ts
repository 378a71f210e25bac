// The commands, put together. Exit codes: 0 done, 1 failed or something is wrong, 2 wrong use.
import { Command, CommanderError, Option } from "commander";
import { type Client, controlPlaneUrl, createClient, explain } from "./client.ts";
import { addAccess } from "./commands/access.ts";
import { addDlq } from "./commands/dlq.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addGroups } from "./commands/groups.ts";
import { addOrders } from "./commands/orders.ts";
import { addJobs } from "./commands/jobs.ts";
import { addMembers } from "./commands/members.ts";
import { addVerify } from "./commands/verify.ts";
import type { Format } from "./output.ts";
import { safe } from "./text.ts";

/** Runs one command line (without program name) and gives the exit code. */
export async function run(args: readonly string[], env: Record<string, string | undefined>): Promise<number> {
  let url = "";
  let client: Client | undefined;
  try {
    url = controlPlaneUrl(env);
    const program = createProgram(() => (client ??= createClient(url, env["MUSTER_TOKEN"] || undefined)));
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = explain(error, url);
    if (known === undefined) throw error;
    if (known.message !== "") process.stderr.write(`muster: ${safe(known.message)}\n`);
    return known.exitCode;
  }
}

function createProgram(client: () => Client): Command {
  const program = new Command("muster");
  const format = (): Format => program.opts<{ output: Format }>().output;
  program
    .description("the control plane's procedures as commands")
    .addOption(
      new Option("-o, --output <format>", "table for people, json for programs")
        .choices(["table", "json"])
        .default("table"),
    )
    .addHelpText(
      "after",
      "\nMUSTER_URL says where the control plane is (default http://127.0.0.1:4600), MUSTER_TOKEN who you are.",
    )
    .exitOverride();
  addGroups(program, client, format);
  addMembers(program, client, format);
  addOrders(program, client, format);
  addDlq(program, client, format);
  addJobs(program, client, format);
  addDoctor(program, client, format);
  addVerify(program, client, format);
  addAccess(program, client, format);
  return prepared(program);
}

// Each command, so that -o and wrong use work alike behind every one of them.
function prepared(command: Command): Command {
  for (const child of command.commands) {
    child.exitOverride();
    prepared(child);
  }
  return command;
}
