// Where replays of a stream's groups go, looked at once for a whole run of replays.
import {
  buckets,
  createVerdict,
  type GroupSpec,
  type LedgerRow,
  type Verdict,
  replayFilter,
} from "@muster/contracts";
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import { maxMessageSize } from "../groups/change.ts";
import { findConsumer } from "../groups/consumer.ts";
import { filtersOfConsumer } from "../groups/consumer-config.ts";
import { getSpec } from "../groups/specs.ts";
import { getStream } from "../groups/streams.ts";
import { isCovered } from "../groups/subjects.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import { findEntry, getText } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";

/** A group that can take replays, and the verdicts of its contracts as they are now. */
export type Target = {
  stream: string;
  group: string;
  spec: GroupSpec;
  /** The largest message, headers included, that the stream takes, or the server where there is none. */
  maxBytes: number;
  /** The group's row of an event, where its ledger can be seen. */
  row(eventId: string): Promise<LedgerRow | undefined>;
  verdict(contract: string): Promise<((body: Uint8Array) => Verdict) | undefined>;
};

/** Finds targets by group and remembers them, failures too. */
export function createTargets(
  nats: Nats,
  ledgers: Ledgers,
  stream: string,
): (group: string) => Promise<Target> {
  const found = new Map<string, Promise<Target>>();
  let info: Promise<StreamInfo> | undefined;
  return (group) => {
    if (stream !== "core") info ??= getStream(nats, stream);
    const target = found.get(group) ?? findTarget(nats, ledgers, { stream, group }, info);
    found.set(group, target);
    return target;
  };
}

async function findTarget(
  nats: Nats,
  ledgers: Ledgers,
  { stream, group }: { stream: string; group: string },
  info: Promise<StreamInfo> | undefined,
): Promise<Target> {
  const config = (await info)?.config;
  const { spec } = await getSpec(nats, stream, group);
  if (config !== undefined) await checkTakesReplays(nats, stream, group, config);
  const verdicts = new Map<string, Promise<((body: Uint8Array) => Verdict) | undefined>>();
  const verdict = (contract: string) => {
    const known = verdicts.get(contract) ?? readVerdict(nats, contract);
    verdicts.set(contract, known);
    return known;
  };
  const limit =
    config !== undefined && config.max_msg_size > 0 ? config.max_msg_size : Number.POSITIVE_INFINITY;
  const maxPayload = nats.nc.info?.max_payload ?? maxMessageSize(nats);
  return {
    stream,
    group,
    spec,
    maxBytes: Math.min(limit, maxPayload),
    row: (eventId) => ledgers.rowIfSeen(stream, group, eventId),
    verdict,
  };
}

async function checkTakesReplays(
  nats: Nats,
  stream: string,
  group: string,
  config: StreamConfig,
): Promise<void> {
  const filter = replayFilter(stream, group);
  const consumer = await findConsumer(nats, stream, group);
  // On an interest stream a replay without its consumer would be acknowledged and gone.
  const takes = consumer !== undefined && isCovered(filtersOfConsumer(consumer.config), filter);
  if (!takes || !isCovered(config.subjects, filter)) {
    throw fail(
      "no_group",
      `group ${group} of stream ${stream} takes no replays: its consumer or the subject ${filter} is missing; apply the group again`,
    );
  }
}

/** By contract, as its schema was last: to compile one costs more than a hundred replays. */
const compiled = new Map<string, { schema: string; judge: (body: Uint8Array) => Verdict }>();
const MOST_COMPILED = 100;

async function readVerdict(
  nats: Nats,
  contract: string,
): Promise<((body: Uint8Array) => Verdict) | undefined> {
  const schema = await getText(nats, buckets.contracts, contract, findEntry);
  if (schema === undefined) return undefined;
  const known = compiled.get(contract);
  if (known?.schema === schema) return known.judge;
  const judge = createVerdict(contract, JSON.parse(schema) as unknown);
  const [oldest] = compiled.keys();
  if (compiled.size >= MOST_COMPILED && oldest !== undefined) compiled.delete(oldest);
  compiled.set(contract, { schema, judge });
  return judge;
}
