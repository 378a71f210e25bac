// All that can be refused of a group, looked at before anything is made.
import type { GroupSpec } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { DEAD_LETTER_ROOM, maxMessageSize } from "./change.ts";
import { checkSpec } from "./check-spec.ts";
import { checkConsumerFits } from "./consumer.ts";
import { checkContracts } from "./contracts.ts";
import { readSpecs } from "./specs.ts";
import { checkStreamFits, type StreamOptions } from "./stream.ts";
import { findStream } from "./streams.ts";
import { smallest } from "./subjects.ts";

/** Throws with a code and a way out, or says whether the group has a stream and how many copies are kept. */
export async function checkGroup(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions,
): Promise<{ hasStream: boolean; replicas: number }> {
  checkSpec(spec);
  checkServer(nats);
  const hasStream = spec.delivery.mode !== "queue";
  if (!hasStream) checkNoStream(spec, options);
  const found = hasStream ? await findStream(nats, spec.stream) : undefined;
  checkStreamFits(spec, options, found);
  await checkConsumerFits(nats, spec, found);
  await checkContracts(nats, spec.contracts);
  return { hasStream, replicas: options.replicas ?? found?.config.num_replicas ?? 1 };
}

/** The subjects a stream needs for all groups that are stored for it, and for this one. */
export async function subjectsOf(nats: Nats, spec: GroupSpec): Promise<string[]> {
  const others = await readSpecs(nats, spec.stream);
  const subjects = others.flatMap((other) => other.spec.subjects);
  return smallest([...subjects, ...spec.subjects, `muster.replay.${spec.stream}.>`]);
}

function checkNoStream(spec: GroupSpec, options: StreamOptions): void {
  const { replicas: _, ...ofStream } = options;
  const given = Object.entries(ofStream).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length > 0)
    throw fail(
      "bad_request",
      `group ${spec.group} has mode queue, and with it no stream; leave out ${given.join(", ")}`,
    );
}

function checkServer(nats: Nats): void {
  if (maxMessageSize(nats) < DEAD_LETTER_ROOM) {
    throw fail(
      "server_unfit",
      `the server's max_payload of ${nats.nc.info?.max_payload} leaves no room for dead letters; set at least ${2 * DEAD_LETTER_ROOM}`,
    );
  }
}
