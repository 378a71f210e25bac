// Pauses a group and lets it go on: in the spec, which its members follow, and at the server.
import { checkName, type GroupSpec } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { changeSpec } from "./change-spec.ts";
import { provisionConsumer } from "./consumer.ts";
import type { Figures } from "./figures.ts";
import { getGroup } from "./get.ts";
import { getSpec } from "./specs.ts";

const ROUNDS = 10;

/** A group that was paused or resumed, with what it has in hand right now. */
export type PausedGroup = {
  stream: string;
  group: string;
  revision: number;
  paused: boolean;
  change: "updated" | "unchanged";
  /** What becomes of the work in flight, in words. */
  note: string;
} & Pick<Figures, "ready" | "in_flight" | "held" | "backing_off">;

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
  const spec = await settlePause(nats, stream, group);
  const { revision, ready, in_flight, held, backing_off } = await getGroup(nats, stream, group);
  return {
    stream,
    group,
    revision,
    paused: spec.paused,
    change: isChanged ? "updated" : "unchanged",
    note: spec.paused ? noteOf(spec) : "members take messages again at their next heartbeat",
    ready,
    in_flight,
    held,
    backing_off,
  };
}

/** A consumer has no compare and set: who came in between is seen here, and the last one makes it fit. */
async function settlePause(nats: Nats, stream: string, group: string): Promise<GroupSpec> {
  for (let round = 0; round < ROUNDS; round++) {
    const { spec } = await getSpec(nats, stream, group);
    if (spec.delivery.mode === "queue" || (await provisionConsumer(nats, spec)) !== "updated") return spec;
  }
  throw fail(
    "changed_meanwhile",
    `group ${group} of stream ${stream} keeps being changed by others; try again when they are done`,
  );
}

function noteOf({ delivery }: GroupSpec): string {
  return delivery.mode === "queue"
    ? "handlers that run go on; messages published meanwhile pass this group unseen, they are not kept for it"
    : "handlers that run go on and their messages are settled; what waits stays in the stream, and retries whose backoff ends wait too";
}
