// muster groups plan | apply | list | get, and those of steer.ts
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { CliError } from "../client.ts";
import { readDocument } from "../input.ts";
import { type Format, print } from "../output.ts";
import { list, table } from "../table.ts";
import { toNumber } from "./numbers.ts";
import { planned } from "./plan-words.ts";
import { addSteering } from "./steer.ts";

type Applied = Awaited<ReturnType<Client["groups"]["apply"]["mutate"]>>;
type ApplyInput = Parameters<Client["groups"]["apply"]["mutate"]>[0];
type Lines = Awaited<ReturnType<Client["groups"]["list"]["query"]>>;
type View = Awaited<ReturnType<Client["groups"]["get"]["query"]>>;

/** Adds the commands for groups. */
export function addGroups(program: Command, client: () => Client, format: () => Format): void {
  const groups = program.command("groups").description("make groups and look at them");

  withGroupFile(groups.command("plan"))
    .description("what apply would do, without doing it; refuses what apply refuses")
    .action(async (options: ApplyOptions) => {
      print(format(), await client().groups.plan.mutate(await inputOf(options)), planned);
    });

  withGroupFile(groups.command("apply"))
    .description("make a group, or change it; safe to repeat")
    .action(async (options: ApplyOptions) => {
      print(format(), await client().groups.apply.mutate(await inputOf(options)), applied);
    });

  groups
    .command("list")
    .description("all groups: members, and how far behind each is")
    .action(async () => print(format(), await client().groups.list.query(), lines));

  groups
    .command("get")
    .description("one group: its spec, its members, its figures")
    .argument("<stream>")
    .argument("<group>")
    .action(async (stream: string, group: string) =>
      print(format(), await client().groups.get.query({ stream, group }), view),
    );
  addSteering(groups, client, format);
}

function withGroupFile(command: Command): Command {
  return command
    .requiredOption("-f, --file <file>", "the group as YAML or JSON; - reads standard input")
    .option("--retention <kind>", "of a new stream: workqueue, limits or interest")
    .option("--max-age-ms <n>", "drop messages older than this", toNumber)
    .option("--replicas <n>", "copies in a cluster", toNumber)
    .option("--storage <kind>", "of a new stream: file or memory");
}

type ApplyOptions = {
  file: string;
  retention?: string;
  maxAgeMs?: number;
  replicas?: number;
  storage?: string;
};

/** A file is a spec, or `{"spec": …, "stream": …}`; the flags stand above it. */
async function inputOf(options: ApplyOptions): Promise<ApplyInput> {
  const document = (await readDocument(options.file)) as { spec?: unknown; stream?: unknown } | null;
  if (typeof document !== "object" || document === null)
    throw new CliError(`${options.file} holds no spec`, 2);
  const isWrapped = typeof document.spec === "object";
  const stream = {
    ...(isWrapped && typeof document.stream === "object" ? document.stream : {}),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
    ...(options.maxAgeMs === undefined ? {} : { max_age_ms: options.maxAgeMs }),
    ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
    ...(options.storage === undefined ? {} : { storage: options.storage }),
  };
  // The control plane checks it; what it refuses, it names.
  return { spec: isWrapped ? document.spec : document, stream } as ApplyInput;
}

function applied({ stream, group, revision, changes }: Applied): string {
  const rows = changes.map(({ what, change }) => [what, change]);
  return `${table(["what", "change"], rows)}\n\ngroup ${group} of stream ${stream} is at revision ${revision}`;
}

function lines(groups: Lines): string {
  if (groups.length === 0) return "no groups yet; make one with: muster groups apply -f spec.json";
  return table(
    [
      "stream",
      "group",
      "mode",
      "ledger",
      "members",
      "ready",
      "in flight",
      "held",
      "backing off",
      "redelivered",
      "dead",
      "state",
    ],
    groups.map((group) => [
      group.stream,
      group.group,
      group.mode,
      group.ledger,
      Object.entries(group.members)
        .map(([language, count]) => `${language} ${count}`)
        .join(", ") || "none",
      group.ready,
      group.in_flight,
      group.held,
      group.backing_off,
      group.redelivered,
      group.dead,
      stateOf(group),
    ]),
  );
}

function stateOf({ has_consumer, paused, degraded }: Lines[number]): string {
  return [
    ...(has_consumer === false ? ["consumer missing"] : []),
    ...(paused ? ["paused"] : []),
    ...(degraded > 0 ? [`${degraded} degraded`] : []),
  ].join(", ");
}

function view(group: View): string {
  const { spec } = group;
  const figures = list([
    ["stream", group.stream],
    ["group", group.group],
    ["revision", group.revision],
    ["contracts", spec.contracts.join(", ")],
    ["subjects", spec.subjects.join(", ")],
    ["mode", modeOf(spec.delivery)],
    ["ledger", spec.ledger],
    ["ack wait", `${spec.ack_wait_ms} ms`],
    ["attempts", `${spec.retry.max_attempts}, backoff ${spec.retry.backoff_ms.join(", ")} ms`],
    ["concurrency", `${spec.concurrency} a member, deadline ${spec.timeout_ms} ms`],
    ["paused", spec.paused],
    ["ready", group.ready],
    ["in flight", group.in_flight],
    ["held", group.held],
    ["backing off", group.backing_off],
    ["ack pending", group.ack_pending],
    ["redelivered", group.redelivered],
    [
      "dead",
      Object.entries(group.dead_by_reason)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(", ") || 0,
    ],
    ...(group.has_stream !== false ? [] : [["missing", "the stream; apply the group again"] as const]),
    ...(group.has_stream === true && group.has_consumer === false
      ? [["missing", "the consumer; apply the group again"] as const]
      : []),
  ]);
  if (group.members.length === 0) return `${figures}\n\nno members; start one with: muster worker ts|go|py`;
  const members = table(
    [
      "member",
      "language",
      "state",
      "in flight",
      "held",
      "done",
      "repeat",
      "stale",
      "retry",
      "dead",
      "host",
      "pid",
      "since",
    ],
    group.members.map((member) => [
      member.id,
      member.language,
      memberState(member),
      member.in_flight,
      member.held,
      member.counts.done,
      member.counts.repeat,
      member.counts.stale,
      member.counts.retry,
      member.counts.dead,
      member.host,
      member.pid,
      member.started_at,
    ]),
  );
  return `${figures}\n\n${members}`;
}

function modeOf(delivery: View["spec"]["delivery"]): string {
  return delivery.mode === "batch"
    ? `batch of ${delivery.size}, waits ${delivery.wait_ms} ms for a full one`
    : delivery.mode;
}

function memberState({ state, degraded, restart_needed }: View["members"][number]): string {
  return [
    state,
    ...(degraded ? ["degraded"] : []),
    ...(restart_needed.length > 0 ? [`restart it for ${restart_needed.join(" and ")}`] : []),
  ].join(", ");
}
