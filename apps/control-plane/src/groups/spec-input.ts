// A spec as an operator writes it: what may be left out, and what stands there then.
import { GroupSpec } from "@muster/contracts";
import { z } from "zod";

const maxAckPending = GroupSpec.shape.max_ack_pending.unwrap();
const MOST = maxAckPending.maxValue ?? Number.POSITIVE_INFINITY;

/** The document that `groups.apply` takes; gives the spec as it is stored. */
export const SpecInput = GroupSpec.extend({
  v: z.literal(1).default(1),
  max_ack_pending: maxAckPending.optional(),
}).transform(
  (spec): GroupSpec => ({ ...spec, max_ack_pending: spec.max_ack_pending ?? defaultMaxAckPending(spec) }),
);

/** A spec as it may be given to `groups.apply`. */
export type SpecInput = z.input<typeof SpecInput>;

// What is pushed lies in the members' hands, so the usual default would let one member hold it all.
function defaultMaxAckPending(spec: Pick<GroupSpec, "delivery" | "concurrency" | "min_members">): number {
  if (spec.delivery.mode !== "push") return GroupSpec.shape.max_ack_pending.parse(undefined);
  return Math.min(MOST, 2 * spec.concurrency * Math.max(1, spec.min_members));
}
