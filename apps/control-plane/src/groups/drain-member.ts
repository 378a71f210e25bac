// Tells one member to drain: it gives back what it has not started, ends what runs, and leaves.
import { checkName, groupKey, memberSubject } from "@muster/contracts";
import { RequestError } from "@nats-io/nats-core";
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { readMembers } from "./members.ts";

const TIMEOUT_MS = 5000;

/** A member that has begun to drain, with what it had in hand. */
export const Draining = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    member: z.string(),
    in_flight: z.int(),
    held: z.int(),
  })
  .meta({ id: "Draining" });
export type Draining = z.infer<typeof Draining>;

/** Throws `no_member`, or `no_answer` when the member does not say that it drains. */
export async function drainMember(
  nats: Nats,
  stream: string,
  group: string,
  member: string,
): Promise<Draining> {
  checkName("stream", stream);
  checkName("group", group);
  checkName("member", member);
  const live = (await readMembers(nats, stream, group)).get(groupKey(stream, group)) ?? [];
  const record = live.find(({ id }) => id === member);
  try {
    const answer = await nats.nc.request(memberSubject(stream, group, member, "drain"), "", {
      timeout: TIMEOUT_MS,
    });
    if (answer.json<{ ok?: unknown }>().ok !== true) throw new Error(answer.string());
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) {
      const others =
        live.length === 0
          ? "it has none"
          : `it has ${live
              .map(({ id }) => id)
              .sort()
              .join(", ")}`;
      throw fail(
        "no_member",
        record === undefined
          ? `group ${group} of stream ${stream} has no member ${member}; ${others}`
          : `member ${member} is gone or not connected; its record expires by itself`,
      );
    }
    throw fail("no_answer", `member ${member} does not say that it drains; look at it, and ask again`, error);
  }
  return { stream, group, member, in_flight: record?.in_flight ?? 0, held: record?.held ?? 0 };
}
