import { parseAckReply } from "@muster/contracts";
import { createInbox, type NatsConnection } from "@nats-io/transport-node";

/**
 * Takes messages of a group by a pull of our own and gives them back at once, `times` times over:
 * deliveries in which no handler started, as a crash leaves them of what was only held.
 * Returns when the server has them to hand out again.
 */
export async function handOut(
  nc: NatsConnection,
  at: { stream: string; group: string },
  { times, messages = 1 }: { times: number; messages?: number },
): Promise<void> {
  const inbox = createInbox();
  const subscription = nc.subscribe(inbox);
  const wanted = times * messages;
  const ask = { batch: wanted, expires: 20_000_000_000 };
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${at.stream}.${at.group}`, JSON.stringify(ask), { reply: inbox });
  let taken = 0;
  for await (const message of subscription) {
    const reply = message.reply === undefined ? undefined : parseAckReply(message.reply);
    if (message.reply === undefined || reply === undefined)
      throw new Error(`the server handed out ${taken} of ${wanted}: ${message.headers?.description}`);
    nc.publish(message.reply, "-NAK");
    taken += 1;
    if (taken === wanted) break;
  }
  await nc.flush();
}
