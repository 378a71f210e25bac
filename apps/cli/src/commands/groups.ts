// What the commands that make groups and look at them have beyond their procedures.
import type { Command } from "commander";
import { endWithFailure, print } from "../output.ts";
import type { Refinements, Run } from "../refinement.ts";
import { inputOf } from "./group-input.ts";
import { lines, view } from "./group-views.ts";
import { applied, appliedAll, planned, plannedAll } from "./plan-words.ts";

/** From a file: its spec is no flag, and what stands beside it is one without a name before it. */
const fromFile = {
  flags: { spec: false, stream: "" },
  extend: (command: Command) =>
    command.requiredOption(
      "-f, --file <file>",
      "a group, or several under groups or as YAML documents, as YAML or JSON; - reads standard input",
    ),
} as const;

/** `muster groups plan`, `apply`, `list` and `get`. */
export const groups: Refinements = {
  "groups.plan": {
    ...fromFile,
    summary: "what apply would do, without doing it",
    note: "Refuses what apply refuses",
    action: plan,
  },
  "groups.planAll": "groups plan",
  "groups.apply": {
    ...fromFile,
    summary: "make groups, or change them",
    note: "Repeated, it changes nothing. Exit code 1 when one is not made",
    extend: (command) => fromFile.extend(command).option("--dry-run", "as plan"),
    action: (run) => (run.options["dryRun"] === true ? plan(run) : apply(run)),
  },
  "groups.applyAll": "groups apply",
  "groups.list": { told: lines },
  "groups.get": { told: view },
};

type FromFile = Run<"groups.plan"> | Run<"groups.apply">;

async function plan({ client, format, input: flags, options }: FromFile): Promise<void> {
  const input = await inputOf(options["file"] as string, flags);
  if (input.type === "one")
    return print(format, await client.groups.plan.mutate(input.input), {
      people: planned,
      items: ({ changes }) => changes,
    });
  print(format, await client.groups.planAll.mutate(input.input), {
    people: plannedAll,
    items: ({ shared, groups: each }) => [...shared, ...each],
  });
}

async function apply({ client, format, input: flags, options }: FromFile): Promise<void> {
  const input = await inputOf(options["file"] as string, flags);
  if (input.type === "one")
    return print(format, await client.groups.apply.mutate(input.input), {
      people: applied,
      items: ({ changes, notes }) => [...changes, ...noteLines(notes)],
    });
  const answer = await client.groups.applyAll.mutate(input.input);
  print(format, answer, {
    people: appliedAll,
    items: ({ shared, groups: each, notes }) => [...shared, ...each, ...noteLines(notes)],
  });
  if (!answer.ok) endWithFailure();
}

/** What an apply waited for in vain, an object each. */
function noteLines(notes: readonly string[] = []): { note: string }[] {
  return notes.map((note) => ({ note }));
}
