// Sets a group back, or ahead, to a sequence or a time of its stream.
import { checkName } from "@muster/contracts";
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { kindOf, ns } from "./change.ts";
import { findConsumer } from "./consumer.ts";
import { filtersOf } from "./consumer-config.ts";
import { getGroup } from "./get.ts";
import { getStream } from "./streams.ts";

/** Where to: the first message that is delivered has at least this sequence, or was stored at this time or later. */
export type ResetTo = { sequence: number } | { time: string };

/** What a reset does: how many messages the group gets from there, of which it had some already. */
export const Reset = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    dry_run: z.boolean(),
    sequence: z.int(),
    messages: z.int().describe("Messages of the group from there on"),
    again: z.int().describe("Of these, those it had been given before"),
    skipped: z.int().describe("Messages before it that the group has not been given, and now never is"),
    unsettled: z.int().describe("Messages that were given and not settled, of which some may lie before it"),
    note: z.string(),
  })
  .meta({ id: "Reset" });
export type Reset = z.infer<typeof Reset>;

/**
 * The group has to be paused with nothing in hand: an ack of a message from before would count for its next delivery.
 * Nothing that was given and waits for a retry is passed over: it would end nowhere. Throws `no_group`,
 * `not_on_work_queue`, `not_paused`, `not_settled`, `foreign`, `bad_request`.
 */
export async function resetGroup(
  nats: Nats,
  stream: string,
  group: string,
  to: ResetTo,
  isDryRun: boolean,
): Promise<Reset> {
  checkName("stream", stream);
  checkName("group", group);
  const { spec, members } = await getGroup(nats, stream, group);
  if (spec.delivery.mode === "queue")
    throw fail("bad_request", `group ${group} has mode queue: there is no stream to go back in`);
  const { config, state } = await getStream(nats, stream);
  if (config.retention !== "limits")
    throw fail(
      "not_on_work_queue",
      `stream ${stream} keeps no message that was settled (retention ${config.retention}), so there is nothing to go back to; replay dead letters instead`,
    );
  const consumer = await findConsumer(nats, stream, group);
  if (consumer === undefined || kindOf(consumer.config) === undefined)
    throw fail(
      "foreign",
      `consumer ${group} of stream ${stream} was not made by Muster, which leaves it as it is; reset it with the tool that made it, or take it over first (apply with adopt)`,
    );
  const filters = filtersOf(spec);
  const next = consumer.delivered.stream_seq + 1;
  const { sequence, messages } = await look(nats, stream, filters, to, state.last_seq + 1);
  const ahead = await look(nats, stream, filters, { sequence: Math.max(sequence, next) }, state.last_seq + 1);
  const left = await look(nats, stream, filters, { sequence: next }, state.last_seq + 1);
  const counts = {
    messages,
    again: messages - ahead.messages,
    skipped: sequence > next ? left.messages - messages : 0,
    unsettled: sequence > consumer.ack_floor.stream_seq + 1 ? consumer.num_ack_pending : 0,
  };
  const note =
    spec.ledger === "none"
      ? "without a ledger everything is handled again"
      : `what the ledger (${spec.ledger}) has as done is acknowledged and not done again; for an effect anew publish under a new event id`;
  const reset: Reset = { stream, group, dry_run: isDryRun, sequence, ...counts, note };
  if (isDryRun) return reset;
  const name = `group ${group} of stream ${stream}`;
  if (!spec.paused) throw fail("not_paused", `${name} is not paused; pause it first`);
  // A record that says paused was written after its member had stopped taking messages.
  const busy = members.filter((member) => member.state !== "paused" || member.held + member.in_flight > 0);
  if (busy.length > 0)
    throw fail(
      "not_paused",
      `${name} has members that are not done: ${busy.map((member) => `${member.id} (${member.state}, ${member.held} in hand)`).join(", ")}; wait for them, or drain them`,
    );
  if (counts.unsettled > 0)
    throw fail(
      "not_settled",
      `${name} has ${counts.unsettled} messages that were given and not settled, and some may lie before sequence ${sequence}: they would be passed over. Let it settle them, or go to ${consumer.ack_floor.stream_seq + 1} at most`,
    );
  await nats.jsm.consumers.reset(stream, group, sequence);
  return reset;
}

/** Where that is, and how many of the group's messages there are from there on: the server counts them for a consumer. */
async function look(
  nats: Nats,
  stream: string,
  filters: string[],
  to: ResetTo,
  end: number,
): Promise<{ sequence: number; messages: number }> {
  if ("sequence" in to && to.sequence >= end) return { sequence: end, messages: 0 };
  const { name, delivered, num_pending } = await nats.jsm.consumers.add(stream, {
    ...("sequence" in to
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, to.sequence) }
      : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: to.time }),
    ack_policy: AckPolicy.None,
    filter_subjects: filters,
    mem_storage: true,
    // Gone by itself where the control plane ends before it has deleted it.
    inactive_threshold: ns(10_000),
  });
  await nats.jsm.consumers.delete(stream, name).catch(() => undefined);
  return { sequence: "sequence" in to ? to.sequence : delivered.stream_seq + 1, messages: num_pending };
}
