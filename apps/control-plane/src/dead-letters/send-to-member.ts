// Hands a dead letter of a queue group to a live member, which answers when it has it in hand.
import { groupKey, memberSubject } from "@muster/contracts";
import { RequestError, TimeoutError } from "@nats-io/nats-core";
import { z } from "zod";
import { fail } from "../errors.ts";
import { readMembers } from "../groups/members.ts";
import type { Nats } from "../nats/connection.ts";
import { toMsgHdrs } from "../nats/headers.ts";

const TIMEOUT_MS = 5000;
// A group whose members all refuse is full or paused: asking thousands would not change it.
const MOST_ASKED = 20;

const Answer = z.object({ ok: z.boolean(), error: z.string().optional() });

/** A member has it, or nobody has: then the dead letter may be replayed again at once. */
export type Handed = { type: "taken"; member: string } | { type: "not_taken"; code: string; error: string };

/**
 * Asks running members in random order until one takes it. Throws `no_answer` when one that was
 * asked does not say whether it has it: then it may be handled, now or when that member goes on.
 */
export async function sendToMember(
  nats: Nats,
  group: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<Handed> {
  const members = (await readMembers(nats, "core", group)).get(groupKey("core", group)) ?? [];
  const running = members.filter(({ state }) => state === "running");
  const refusals = members
    .filter((member) => !running.includes(member))
    .map(({ id, state }) => `${id} is ${state}`);
  for (const { id } of shuffled(running).slice(0, MOST_ASKED)) {
    const refusal = await ask(nats, group, id, body, headers);
    if (refusal === undefined) return { type: "taken", member: id };
    refusals.push(`${id} ${refusal}`);
  }
  const why = refusals.length === 0 ? "it has no live member" : refusals.slice(0, MOST_ASKED).join("; ");
  return {
    type: "not_taken",
    code: "no_member",
    error: `no member of group ${group} takes it: ${why}. The dead letter stays; replay it again when a member runs and has room`,
  };
}

/** Why the member does not take it; nothing when it has it in hand. */
async function ask(
  nats: Nats,
  group: string,
  member: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const subject = memberSubject("core", group, member, "replay");
  let data: Uint8Array;
  try {
    ({ data } = await nats.nc.request(subject, body, { headers: toMsgHdrs(headers), timeout: TIMEOUT_MS }));
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return "is gone";
    if (isTimeout(error)) throw unknown(member, `did not answer in ${TIMEOUT_MS} ms`, error);
    throw error;
  }
  const answer = parse(data);
  if (answer === undefined) throw unknown(member, "answered with something else than ok or not");
  return answer.ok ? undefined : `refuses it: ${answer.error ?? "no reason given"}`;
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof TimeoutError || (error instanceof RequestError && error.cause instanceof TimeoutError)
  );
}

function parse(data: Uint8Array): z.infer<typeof Answer> | undefined {
  try {
    return Answer.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    return undefined;
  }
}

function unknown(member: string, what: string, cause?: unknown): Error {
  return fail(
    "no_answer",
    `member ${member} ${what}: it may have it, or take it yet. The dead letter stays; see what became of it before you replay it again, which is possible after 30 s`,
    cause,
  );
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [Math.random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
