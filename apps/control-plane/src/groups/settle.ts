// Streams and consumers have no compare and set, so another apply may have written over ours in between. Each apply
// therefore ends by making them fit what is stored: the last one sees all.
import type { GroupSpec } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { sourceOf } from "./check-groups.ts";
import { provisionConsumer } from "./consumer.ts";
import type { Part } from "./entries.ts";
import { readSpec, readSpecs } from "./specs.ts";
import { provisionStream } from "./stream.ts";

const ROUNDS = 10;

/** Until the stream has the subjects of all groups that are stored for it. */
export async function settleStream(nats: Nats, part: Part): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const stored = (await readSpecs(nats, part.stream)).map(({ spec }) => spec);
    const source = { ...sourceOf(part, stored), options: {}, adopt: false };
    if ((await provisionStream(nats, source)) !== "updated") return;
  }
  throw keepsChanging(`stream ${part.stream}`);
}

/** Until the consumer is as the stored spec wants it. */
export async function settleConsumer(nats: Nats, mine: GroupSpec): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const { spec = mine } = await readSpec(nats, mine.stream, mine.group);
    if ((await provisionConsumer(nats, spec, false)) !== "updated") return;
  }
  throw keepsChanging(`consumer ${mine.group} of stream ${mine.stream}`);
}

function keepsChanging(what: string): Error {
  return fail("changed_meanwhile", `${what} keeps being changed by others; apply again when they are done`);
}
