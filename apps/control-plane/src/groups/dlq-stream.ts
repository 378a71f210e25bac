// The dead-letter stream of a source: what it must be, and making it so.
import { archiveFilter, dlqFilter, dlqStream } from "@muster/contracts";
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { type Change, kindOf, mark, moreReplicas, ns } from "./change.ts";
import type { PlannedChange } from "./plan-change.ts";
import { droppingLimits } from "./silent-loss.ts";
import type { Snapshot } from "./snapshot.ts";
import { fixedProblems } from "./stream-fit.ts";
import { neverSilent } from "./stream.ts";
import { createStream, findStream, updateStream } from "./streams.ts";
import { smallest } from "./filter-index.ts";
import { isCovered } from "./subjects.ts";
import { planOf, takingOver } from "./take-over.ts";

const HOUR_MS = 3_600_000;

/** What would become of the dead-letter stream of a source. Throws `foreign`, `needs_new_stream`, `silent_loss`. */
export async function planDlq(
  snapshot: Snapshot,
  stream: string,
  { replicas, adopt }: { replicas: number; adopt: boolean },
): Promise<PlannedChange> {
  const name = dlqStream(stream);
  const what = `stream ${name}`;
  const found = await snapshot.stream(name);
  if (found === undefined)
    return { what, change: "create", differences: [{ field: "subjects", wanted: dlqSubjects(stream) }] };
  checkDlqFits(stream, found, adopt);
  return planOf(what, found.config, changesOf(stream, found, replicas), { kind: "dlq", adopt });
}

/** The dead-letter stream of a source. It refuses when full: nothing in it is ever dropped for something new. */
export async function provisionDlq(
  nats: Nats,
  stream: string,
  { replicas, adopt }: { replicas: number; adopt: boolean },
): Promise<Change["change"]> {
  const name = dlqStream(stream);
  const found = await findStream(nats, name);
  if (found === undefined) {
    const made = await createStream(nats, { name, subjects: dlqSubjects(stream), ...dlqConfig(replicas) });
    return made === "created" ? "created" : "unchanged";
  }
  checkDlqFits(stream, found, adopt);
  const changes = changesOf(stream, found, replicas);
  if (kindOf(found.config) === undefined) {
    if (!adopt) return "adopted";
    await updateStream(nats, name, takingOver(found.config, changes, mark("dlq")));
    return "taken_over";
  }
  if (Object.keys(changes).length === 0) return "unchanged";
  await updateStream(nats, name, changes);
  return "updated";
}

function dlqSubjects(stream: string): string[] {
  return [dlqFilter(stream), archiveFilter(stream)];
}

function missingIn(stream: string, { config }: StreamInfo): string[] {
  return dlqSubjects(stream).filter((subject) => !isCovered(config.subjects, subject));
}

function changesOf(stream: string, found: StreamInfo, replicas: number): Partial<StreamConfig> {
  const { config } = found;
  const missing = missingIn(stream, found);
  const changes: Partial<StreamConfig> =
    missing.length === 0 ? {} : { subjects: smallest([...config.subjects, ...missing]) };
  Object.assign(changes, neverSilent(config), moreReplicas(config, replicas));
  // What is ours already keeps what its operator has set since.
  if (kindOf(config) === "dlq") return changes;
  return {
    ...changes,
    ...(config.duplicate_window < ns(HOUR_MS) ? { duplicate_window: ns(HOUR_MS) } : {}),
    // A dead letter leaves by replay or discard, and may be as large as the server takes.
    ...(config.max_age > 0 ? { max_age: 0 } : {}),
    ...(config.max_msg_size > 0 ? { max_msg_size: -1 } : {}),
  };
}

/** Throws for a stream of others' that cannot hold dead letters. */
function checkDlqFits(stream: string, found: StreamInfo, adopt: boolean): void {
  const { config } = found;
  const kind = kindOf(config);
  if (kind === "dlq") return;
  const name = dlqStream(stream);
  if (kind !== undefined)
    throw fail("foreign", `stream ${name} is Muster's own ${kind}, and holds no dead letters`);
  const fixed = [
    ...(config.retention === "limits" ? [] : [`its retention is ${config.retention}, not limits`]),
    ...fixedProblems(found),
    ...(config.deny_delete ? ["it lets nothing be deleted, so no dead letter could leave"] : []),
  ];
  const taking = "change or delete it with the tool that made it, or choose another name for the source";
  if (adopt && fixed.length > 0)
    throw fail("needs_new_stream", `stream ${name} cannot hold dead letters: ${fixed.join("; ")}; ${taking}`);
  const missing = missingIn(stream, found).map((subject) => `its subjects do not cover ${subject}`);
  const problems = [...missing, ...fixed, ...(config.no_ack ? ["it sends no acks (no_ack)"] : [])];
  if (adopt) return;
  if (problems.length > 0 || config.discard !== "new")
    throw fail(
      "foreign",
      `stream ${name} was not made by Muster and cannot hold dead letters${problems.length === 0 ? "" : `: ${problems.join("; ")}`}; it must have subjects ${dlqSubjects(stream).join(", ")}, retention limits, discard new; ${taking}, or let Muster take it over with adopt`,
    );
  const limits = droppingLimits(config);
  if (limits.length > 0)
    throw fail(
      "silent_loss",
      `stream ${name} drops its oldest dead letters in silence at ${limits.join(", ")}; set discard_new_per_subject, or let Muster take it over with adopt`,
    );
}

function dlqConfig(replicas: number): Partial<StreamConfig> {
  return {
    retention: "limits",
    storage: "file",
    num_replicas: replicas,
    discard: "new",
    duplicate_window: ns(HOUR_MS),
    allow_direct: true,
    metadata: mark("dlq"),
  };
}
