// The commands, put together.
import { Command, CommanderError, Option } from "commander";
import { type Client, controlPlaneUrl, createClient, explain } from "./client.ts";
import { exampleOf } from "./examples.ts";
import { addCommands } from "./generate.ts";
import { type Format, formats } from "./output.ts";
import { procedures } from "./procedures.ts";
import { refinements, topics } from "./refinements.ts";
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

/** All commands; `client` is asked for when one of them needs it. */
export function createProgram(client: () => Client): Command {
  const program = new Command("muster");
  const format = (): Format => program.opts<{ output: Format }>().output;
  program
    .description("the control plane's procedures as commands")
    .addOption(
      new Option(
        "-o, --output <format>",
        "table for people; json, or jsonl with an object a line, for programs",
      )
        .choices(formats)
        .default("table"),
    )
    .addHelpText(
      "after",
      `
MUSTER_URL says where the control plane is (default http://127.0.0.1:4600), MUSTER_TOKEN who you are.

Exit codes:
  0  done
  1  refused or failed, or something is not as it should be: an event lost, an error of the doctor, an item not taken
  2  wrong use, or nobody there to be asked: nothing is changed`,
    )
    .exitOverride();
  for (const [name, about] of Object.entries(topics)) program.command(name).description(about);
  addCommands(program, procedures, refinements, { client, format });
  return prepared(program);
}

// Each command, so that -o, wrong use and help work alike behind every one of them.
function prepared(command: Command, path = ""): Command {
  for (const child of command.commands) {
    const name = `${path} ${child.name()}`.trimStart();
    child.exitOverride();
    if (child.commands.length === 0)
      child.addHelpText("after", `\nExample: muster ${exampleOf(name, child)}`);
    prepared(child, name);
  }
  return command;
}
