// Pauses a group and lets it go on: in the spec, which its members follow, and at the server.
import { checkName, type GroupSpec } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { changeSpec } from "./change-spec.ts";
import { findConsumer } from "./consumer.ts";
import { kindOf } from "./change.ts";
import { pauseConsumer, pauseDifferences } from "./consumer-pause.ts";
import { Figures } from "./figures.ts";
import { getGroup } from "./get.ts";
import { getSpec } from "./specs.ts";

const ROUNDS = 10;

/** A group that was paused or resumed, with what it has in hand right now. */
export const PausedGroup = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    revision: z.int(),
    paused: z.boolean(),
    change: z.enum(["updated", "unchanged"]),
    note: z.string().describe("What becomes of the work in flight, in words"),
    ...Figures.pick({ ready: true, in_flight: true, held: true, backing_off: true }).shape,
  })
  .meta({ id: "PausedGroup" });
export type PausedGroup = z.infer<typeof PausedGroup>;

/** Safe to repeat, and safe beside an apply: both leave the consumer as the spec that is stored wants it. */
export async function pauseGroup(
  nats: Nats,
  stream: string,
  group: string,
  isPaused: boolean,
): Promise<PausedGroup> {
  checkName("stream", stream);
  checkName("group", group);
  const { isChanged } = await changeSpec(nats, stream, group, (spec) => ({ ...spec, paused: isPaused }));
  const settled = await settlePause(nats, stream, group);
  const { revision, ready, in_flight, held, backing_off } = await getGroup(nats, stream, group);
  return {
    stream,
    group,
    revision,
    paused: settled.spec.paused,
    change: isChanged ? "updated" : "unchanged",
    note: noteOf(settled),
    ready,
    in_flight,
    held,
    backing_off,
  };
}

/**
 * Makes the consumer's pause the spec's, and nothing else: who pauses in need wants no consumer made or changed. It
 * has no compare and set: who came in between is seen here, and the last one makes it fit.
 */
async function settlePause(nats: Nats, stream: string, group: string): Promise<Settled> {
  for (let round = 0; round < ROUNDS; round++) {
    const { spec } = await getSpec(nats, stream, group);
    const consumer = spec.delivery.mode === "queue" ? undefined : await findConsumer(nats, stream, group);
    if (consumer === undefined) return { spec, held: "nowhere" };
    if (kindOf(consumer.config) === undefined) return { spec, held: "foreign" };
    if (pauseDifferences(spec, consumer).length === 0) return { spec, held: "server" };
    await pauseConsumer(nats, spec);
  }
  throw fail(
    "changed_meanwhile",
    `group ${group} of stream ${stream} keeps being changed by others; try again when they are done`,
  );
}

/** The spec that is stored, and whether the server keeps its pause too. */
type Settled = { spec: GroupSpec; held: "server" | "foreign" | "nowhere" };

function noteOf({ spec: { paused, delivery }, held }: Settled): string {
  if (!paused) return "members take messages again at their next heartbeat";
  if (delivery.mode === "queue")
    return "handlers that run go on; messages published meanwhile pass this group unseen, they are not kept for it";
  const kept =
    "handlers that run go on and their messages are settled; what waits stays in the stream, and retries whose backoff ends wait too";
  return held === "foreign"
    ? `${kept}. The consumer was not made by Muster and is left as it is: members stop at their next heartbeat, other clients do not`
    : kept;
}
