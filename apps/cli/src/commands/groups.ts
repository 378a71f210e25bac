// muster groups plan | apply | list | get, and those of steer.ts
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { addWatch, show, type Watching } from "../watch.ts";
import { type FileOptions, inputOf, withGroupFile } from "./group-input.ts";
import { lines, view } from "./group-views.ts";
import { applied, appliedAll, planned, plannedAll } from "./plan-words.ts";
import { addSteering } from "./steer.ts";

/** Adds the commands for groups. */
export function addGroups(program: Command, client: () => Client, format: () => Format): void {
  const groups = program.command("groups").description("make groups and look at them");

  withGroupFile(groups.command("plan"))
    .description("what apply would do, without doing it; refuses what apply refuses")
    .action((options: FileOptions) => plan(client, format(), options));

  withGroupFile(groups.command("apply"))
    .description("make groups, or change them; safe to repeat. Exit code 1 when one is not made")
    .option("--dry-run", "as plan")
    .action((options: FileOptions & { dryRun?: boolean }) =>
      options.dryRun === true ? plan(client, format(), options) : apply(client, format(), options),
    );

  addWatch(groups.command("list"))
    .description("all groups: members, and how far behind each is")
    .action((options: Watching) => show(format(), options, () => client().groups.list.query(), lines));

  addWatch(groups.command("get"))
    .description("one group: its spec, its members, its figures")
    .argument("<stream>")
    .argument("<group>")
    .action((stream: string, group: string, options: Watching) =>
      show(format(), options, () => client().groups.get.query({ stream, group }), view),
    );
  addSteering(groups, client, format);
}

async function plan(client: () => Client, format: Format, options: FileOptions): Promise<void> {
  const input = await inputOf(options);
  if (input.type === "one")
    return print(format, await client().groups.plan.mutate(input.input), {
      people: planned,
      items: ({ changes }) => changes,
    });
  print(format, await client().groups.planAll.mutate(input.input), {
    people: plannedAll,
    items: ({ shared, groups }) => [...shared, ...groups],
  });
}

async function apply(client: () => Client, format: Format, options: FileOptions): Promise<void> {
  const input = await inputOf(options);
  if (input.type === "one")
    return print(format, await client().groups.apply.mutate(input.input), {
      people: applied,
      items: ({ changes }) => changes,
    });
  const answer = await client().groups.applyAll.mutate(input.input);
  print(format, answer, { people: appliedAll, items: ({ shared, groups }) => [...shared, ...groups] });
  if (!answer.ok) endWithFailure();
}
