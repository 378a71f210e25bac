// What the commands that steer a group have beyond their procedures.
import { ask, askToGoOn } from "../ask.ts";
import type { Answer, Input } from "../procedures.ts";
import type { Refinements, Run } from "../refinement.ts";
import { list } from "../table.ts";

/** `muster groups pause`, `resume`, `reset` and `delete`. */
export const steering: Refinements = {
  "groups.pause": { note: "What runs is finished, what waits stays", told: paused },
  "groups.resume": { told: paused },
  "groups.reset": {
    note: "The group has to be paused",
    extend: (command) => command.option("--yes", "without asking"),
    prepare: sureToReset,
    told: reset,
  },
  "groups.delete": {
    note: "Its spec and consumer go; messages, dead letters and the ledger stay. Without --confirm you are asked",
    extend: (command) => command.option("--yes", "without asking, whatever is lost"),
    prepare: confirmed,
    told: removal,
  },
};

async function sureToReset({ input, options, call }: Run<"groups.reset">): Promise<Input<"groups.reset">> {
  if (input.dry_run === true || options["yes"] === true) return input;
  await askToGoOn(reset(await call({ ...input, dry_run: true })), false);
  return input;
}

async function confirmed({ input, options, call }: Run<"groups.delete">): Promise<Input<"groups.delete">> {
  if (input.dry_run === true || input.confirm !== undefined) return input;
  if (options["yes"] === true) return { ...input, confirm: input.group };
  const plan = await call({ ...input, dry_run: true });
  const question = `Type the group's name (${plan.group}) to delete it:`;
  return {
    ...input,
    confirm: await ask(removal(plan), question, "--confirm with the group's name, or --yes"),
  };
}

function paused({
  stream,
  group,
  paused: isPaused,
  change,
  note,
  ready,
  in_flight,
  held,
  backing_off,
}: Answer<"groups.pause">): string {
  const is = isPaused ? "paused" : "running";
  return list([
    ["group", `${group} of stream ${stream} is ${change === "unchanged" ? "already " : ""}${is}`],
    ["note", note],
    ["in flight", in_flight],
    ["held", held],
    ["ready", ready],
    ["backing off", backing_off],
  ]);
}

function reset({
  stream,
  group,
  dry_run,
  sequence,
  messages,
  again,
  skipped,
  unsettled,
  note,
}: Answer<"groups.reset">): string {
  return list([
    ["group", `${group} of stream ${stream} ${dry_run ? "would begin" : "begins"} at sequence ${sequence}`],
    ["messages from there", messages],
    ["had before", again],
    ["never given", skipped],
    ["not settled", unsettled],
    ["note", note],
  ]);
}

function removal({
  stream,
  group,
  dry_run,
  removes,
  keeps,
  loses,
  members,
}: Answer<"groups.delete">): string {
  return list([
    ["group", `${group} of stream ${stream} ${dry_run ? "would be" : "is"} deleted`],
    ["removes", removes.join("; ")],
    ["keeps", keeps.join("; ")],
    ["loses", loses.join("; ") || "nothing"],
    ["live members", members.join(", ") || "none"],
  ]);
}
