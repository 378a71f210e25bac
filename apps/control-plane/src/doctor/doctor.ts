// Looks at streams, groups and members, and says what is not as it should be.
import { checkName, dlqStream, MusterError } from "@muster/contracts";
import { z } from "zod";
import { isCluster } from "../groups/await-copies.ts";
import { ownStreams } from "../groups/buckets.ts";
import { lackOfStream } from "../groups/copies.ts";
import { inWords } from "../groups/plan-change.ts";
import { planGroup } from "../groups/plan.ts";
import { type Group, listConsumers, readGroups } from "../groups/read-groups.ts";
import { Snapshot } from "../groups/snapshot.ts";
import { findStream } from "../groups/streams.ts";
import { oldestWaitingSeconds } from "../metrics/oldest.ts";
import type { Nats } from "../nats/connection.ts";
import { pipelined } from "../pipelined.ts";
import { Finding, type GroupFacts, type Severity, type StreamFacts } from "./finding.ts";
import { groupChecks } from "./group-checks.ts";
import { memberChecks } from "./member-checks.ts";
import { copiesLacking, streamChecks } from "./stream-checks.ts";

/** The report: findings by severity, and what was looked at. */
export const Report = z
  .strictObject({
    findings: z.array(Finding),
    errors: z.int(),
    warnings: z.int(),
    notes: z.int(),
    looked_at: z.strictObject({ streams: z.int(), groups: z.int(), members: z.int() }),
    unseen: z.array(z.string()).describe("What no check can see from here"),
  })
  .meta({ id: "Report" });
export type Report = z.infer<typeof Report>;

const unseen = [
  "sync_interval of the servers: an acknowledged message is not on disk until the server has synced it; read it in their configuration",
  "filters that overlap on a work queue: the server refuses them itself",
];

/** Groups of a stream that are looked at side by side; each asks a few things of its own. */
const AT_ONCE = 32;

const order: readonly Severity[] = ["error", "warning", "note"];

/** Examines all streams that have groups, or one of them. */
export async function examine(nats: Nats, only?: string): Promise<Report> {
  if (only !== undefined) checkName("stream", only);
  const groups = (await readGroups(nats)).filter(({ spec }) => only === undefined || spec.stream === only);
  const streams = [...new Set(groups.map(({ spec }) => spec.stream))];
  const snapshot = new Snapshot(nats, true);
  const ofStreams = await Promise.all(
    streams.map(async (stream) =>
      examineStream(
        snapshot,
        groups.filter(({ spec }) => spec.stream === stream),
        stream,
      ),
    ),
  );
  const ofOwn = groups.length === 0 ? [] : await examineOwn(nats);
  const all = [...ofStreams.flat(), ...ofOwn];
  const findings = all.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return {
    findings,
    errors: count("error"),
    warnings: count("warning"),
    notes: count("note"),
    looked_at: {
      streams: streams.length,
      groups: groups.length,
      members: groups.reduce((sum, { members }) => sum + members.length, 0),
    },
    unseen,
  };
}

async function examineStream(snapshot: Snapshot, groups: Group[], stream: string): Promise<Finding[]> {
  const { nats } = snapshot;
  const info = stream === "core" ? undefined : await findStream(nats, stream);
  const ofGroups = await pipelined(groups, AT_ONCE, (group) => examineGroup(snapshot, group, info));
  if (info === undefined) return ofGroups.flat();
  const consumers = await listConsumers(nats, stream);
  const deadLetters = await findStream(nats, dlqStream(stream));
  const facts: StreamFacts = { info, deadLetters, consumers, groups, isCluster: isCluster(nats) };
  const ofStream = streamChecks
    .flatMap((check) => check(facts))
    .map(({ consumer, ...sign }) => ({
      ...sign,
      stream,
      ...(consumer === undefined ? {} : { group: consumer }),
    }));
  return [...ofStream, ...ofGroups.flat()];
}

/** Buckets, tokens and audit: without them groups stop, too. */
async function examineOwn(nats: Nats): Promise<Finding[]> {
  if (!isCluster(nats)) return [];
  const found = await pipelined(ownStreams(), AT_ONCE, async (stream) => {
    const info = await findStream(nats, stream);
    return copiesLacking("the stream", info && lackOfStream(info)).map((sign) => ({ ...sign, stream }));
  });
  return found.flat();
}

async function examineGroup(
  snapshot: Snapshot,
  group: Group,
  stream: StreamFacts["info"] | undefined,
): Promise<Finding[]> {
  const { nats } = snapshot;
  const facts: GroupFacts = {
    ...group,
    stream,
    drift: await driftOf(snapshot, group),
    oldestWaitingSeconds: await oldestWaitingSeconds(nats, group),
    nowMs: Date.now(),
  };
  const signs = [
    ...groupChecks.flatMap((check) => check(facts) ?? []),
    ...memberChecks.flatMap((check) => check(facts)),
  ];
  return signs.map((sign) => ({ ...sign, stream: group.spec.stream, group: group.spec.group }));
}

/** What an apply of the stored spec would change or refuse. */
async function driftOf(snapshot: Snapshot, { spec }: Group): Promise<string[]> {
  try {
    const { changes } = await planGroup(snapshot.nats, spec, {}, false, snapshot);
    return changes.flatMap(({ what, change, differences }) => {
      if (change === "create") return `${what} is missing`;
      return change === "update" ? differences.map((difference) => `${what}: ${inWords(difference)}`) : [];
    });
  } catch (error) {
    // The checks of the stream say it, with its severity.
    if (error instanceof MusterError && error.code === "silent_loss") return [];
    if (error instanceof MusterError && error.code !== "nats_down") return [error.message];
    throw error;
  }
}
