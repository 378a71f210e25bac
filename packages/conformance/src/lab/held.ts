import { parseAckReply } from "@muster/contracts";
import type { NatsConnection } from "@nats-io/transport-node";

/** What a group's members hold, counted from what passes the server. */
export type Held = {
  /** The most that was held at once so far. */
  readonly most: number;
};

/**
 * Counts deliveries of a group that were not answered yet. The consumer's own number will not do: the
 * server counts an ack later than it hands out the next message. Listens to everything, so it wants a
 * server of the scenario's own. Returns when the server has the subscription.
 */
export async function countHeld(nc: NatsConnection, at: { stream: string; group: string }): Promise<Held> {
  const held = new Set<string>();
  let most = 0;
  const isOurs = (subject: string | undefined): subject is string => {
    const reply = subject === undefined ? undefined : parseAckReply(subject);
    return reply?.stream === at.stream && reply.consumer === at.group;
  };
  nc.subscribe(">", {
    callback: (error, message) => {
      if (error !== null) return;
      if (isOurs(message.subject)) {
        if (message.string() !== "+WPI") held.delete(message.subject);
      } else if (isOurs(message.reply)) {
        held.add(message.reply);
        most = Math.max(most, held.size);
      }
    },
  });
  await nc.flush();
  return {
    get most() {
      return most;
    },
  };
}
