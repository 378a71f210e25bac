// What attacks would harm, as facts to compare: streams, consumers, and the last message of every subject.
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { createInbox, headers } from "@nats-io/transport-node";

const orderOf = (id: string) =>
  JSON.stringify({ id, customer: "ada", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" });

/** Puts something into everything: sequence 1 of ORDERS is billing's, 2 shipping's, and both are in their hands. */
export async function fill(owner: NatsConnection): Promise<void> {
  const put = async (subject: string, body: string, id?: string) => {
    const about = headers();
    if (id !== undefined) about.set("Muster-Event-Id", id);
    const answer = await owner.request(subject, body, { headers: about, timeout: 10_000 });
    if (!answer.string().includes('"seq"')) throw new Error(`${subject}: ${answer.string()}`);
  };
  for (const [n, subject] of [
    "orders.created",
    "orders.shipped",
    "orders.created",
    "orders.shipped",
  ].entries())
    await put(subject, orderOf(`o${n}`), `o${n}`);
  for (const group of ["billing", "shipping"]) {
    await put(`$KV.MUSTER_LEDGER.ORDERS.${group}.row`, `{"of":"${group}"}`);
    await put(`$KV.MUSTER_ATTEMPTS.ORDERS.${group}.2`, `{"of":"${group}"}`);
    await put(`muster.dlq.ORDERS.${group}.permanent`, orderOf(group));
    await put(`$KV.MUSTER_MEMBERS.ORDERS.${group}.m`, `{"of":"${group}"}`);
    await pull(owner, group);
  }
  // What would expire in the middle of it would look like harm.
  await (await jetstreamManager(owner)).streams.update("KV_MUSTER_MEMBERS", { max_age: 0 });
}

/** Takes one message; it comes under its own subject, which no request waits for. */
async function pull(nc: NatsConnection, group: string): Promise<void> {
  const inbox = createInbox("_INBOX_CONTROL");
  const subscription = nc.subscribe(inbox, { max: 1 });
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.ORDERS.${group}`, '{"batch":1}', { reply: inbox });
  for await (const { headers: about } of subscription)
    if (about?.code) throw new Error(`pull of ${group}: ${about.description}`);
}

/** All that others than the attacker own. `except`: subjects that the attacker may write. */
export async function facts(
  owner: NatsConnection,
  except: ReadonlySet<string>,
): Promise<Record<string, string>> {
  const manager = await jetstreamManager(owner);
  const found: Record<string, string> = {};
  for await (const { config } of manager.streams.list()) {
    const { name } = config;
    found[`stream ${name}`] = JSON.stringify({ subjects: config.subjects, sealed: config.sealed });
    const { state } = await manager.streams.info(name, { subjects_filter: ">" });
    for (const [subject, count] of Object.entries(state.subjects ?? {})) {
      if (except.has(subject)) continue;
      const last = await manager.streams.getMessage(name, { last_by_subj: subject });
      found[subject] = `${count}, the last is ${last?.seq}`;
    }
    for await (const consumer of manager.consumers.list(name)) {
      // What the control plane makes for its own reading comes and goes.
      if (consumer.config.durable_name === undefined) continue;
      // Its own it may pull from.
      const { delivered, ack_floor, num_ack_pending } = consumer;
      const isOwn = consumer.name === "billing";
      found[`consumer ${name}.${consumer.name}`] = isOwn
        ? "there"
        : JSON.stringify([delivered.stream_seq, ack_floor.stream_seq, num_ack_pending]);
    }
  }
  return found;
}
