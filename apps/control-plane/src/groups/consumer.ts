// The consumer of a group: looking it up, saying why one that is there does not do, making it fit.
import type { GroupSpec } from "@muster/contracts";
import { type ConsumerConfig, type ConsumerInfo, JetStreamApiError } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { type Change, kindOf } from "./change.ts";
import { differences, fixedDifferences, updateOf, wantedConsumer } from "./consumer-config.ts";
import { pauseConsumer, pauseDifferences } from "./consumer-pause.ts";
import { differencesBetween, doneWords, inWords as asWords, type PlannedChange } from "./plan-change.ts";
import { takeOver } from "./take-over.ts";

const MISSING = new Set([10014, 10059]);
const NAME_IN_USE = new Set([10013, 10148]);
const FILTERS_OVERLAP = new Set([10099, 10100, 10136, 10138]);

/** The consumer of the group, or nothing where it or its stream is not there. */
export async function findConsumer(
  nats: Nats,
  stream: string,
  group: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await nats.jsm.consumers.info(stream, group);
  } catch (error) {
    if (error instanceof JetStreamApiError && MISSING.has(error.code)) return undefined;
    throw error;
  }
}

/** Deletes it; one that is gone already is no error. */
export async function deleteConsumer(nats: Nats, stream: string, group: string): Promise<void> {
  try {
    await nats.jsm.consumers.delete(stream, group);
  } catch (error) {
    if (!(error instanceof JetStreamApiError && MISSING.has(error.code))) throw error;
  }
}

/** What would become of the consumer; one that others made is left as it is, or taken over. Throws where it cannot serve. */
export function planConsumer(
  spec: GroupSpec,
  found: ConsumerInfo | undefined,
  { adopt, retention }: { adopt: boolean; retention?: string | undefined },
): PlannedChange {
  const what = `consumer ${spec.group}`;
  if (found === undefined)
    return { what, change: "create", differences: differencesBetween({}, wantedConsumer(spec)) };
  checkFound(spec, found.config, { adopt, retention });
  const changed = [...differences(spec, found.config), ...pauseDifferences(spec, found)];
  if (kindOf(found.config) === undefined)
    return adopt ? takeOver(what, "group", changed) : { what, change: "adopt", differences: [] };
  return { what, change: changed.length === 0 ? "unchanged" : "update", differences: changed };
}

/** Makes the consumer fit the spec. */
export async function provisionConsumer(
  nats: Nats,
  spec: GroupSpec,
  adopt: boolean,
): Promise<Change["change"]> {
  const found = await findConsumer(nats, spec.stream, spec.group);
  const { change, differences: changed } = planConsumer(spec, found, { adopt });
  if (found === undefined) return await create(nats, spec, adopt);
  if (changed.some(({ field }) => field !== "paused"))
    await inWords(spec, nats.jsm.consumers.update(spec.stream, spec.group, updateOf(spec, found)));
  if (changed.some(({ field }) => field === "paused")) await pauseConsumer(nats, spec);
  return doneWords[change];
}

async function create(nats: Nats, spec: GroupSpec, adopt: boolean): Promise<Change["change"]> {
  try {
    await inWords(spec, nats.jsm.consumers.add(spec.stream, wantedConsumer(spec)));
    if (spec.paused) await pauseConsumer(nats, spec);
    return "created";
  } catch (error) {
    // Two applies at once: the other one was first, and now it is an update.
    if (error instanceof JetStreamApiError && NAME_IN_USE.has(error.code))
      return await provisionConsumer(nats, spec, adopt);
    throw error;
  }
}

function checkFound(
  spec: GroupSpec,
  is: ConsumerConfig,
  { adopt, retention }: { adopt: boolean; retention?: string | undefined },
): void {
  const fixed = fixedDifferences(spec, is);
  const name = `consumer ${spec.group} of stream ${spec.stream}`;
  if (fixed.length > 0)
    throw fail(
      "needs_new_consumer",
      `${name} cannot serve mode ${spec.delivery.mode}: ${fixed.join("; ")}. That needs a new consumer: choose another group name, or drain the group's members, delete the consumer and apply again; ${afterwards(spec, retention)}`,
    );
  if (adopt || kindOf(is) !== undefined) return;
  const other = differences(spec, is);
  if (other.length > 0)
    throw fail(
      "foreign",
      `${name} was not made by Muster, which leaves it as it is, and does not fit: ${other.map(asWords).join("; ")}; change it with the tool that made it, or the spec, or let Muster take it over with adopt`,
    );
}

function afterwards(spec: GroupSpec, retention: string | undefined): string {
  if (retention === undefined || retention === "workqueue") return "the stream keeps what is not settled";
  if (retention === "interest")
    return "on an interest stream messages that only this group waits for are gone with its consumer, so let it work them off first";
  const again = "a new consumer begins at the start of the stream";
  return spec.ledger === "none"
    ? `${again}, and without a ledger everything in it is handled again`
    : `${again}, and what the ledger knows is only acknowledged`;
}

async function inWords<T>(spec: GroupSpec, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof JetStreamApiError && FILTERS_OVERLAP.has(error.code))
      throw overlappingFilters(spec, error.message);
    throw error;
  }
}

/** The error for a group on a work queue whose messages another consumer takes. */
export function overlappingFilters(spec: GroupSpec, why: string): Error {
  return fail(
    "overlapping_filters",
    `group ${spec.group} cannot take ${spec.subjects.join(", ")} from stream ${spec.stream}: on a work queue a message has one group (${why}); use other subjects, or a stream with retention limits`,
  );
}
