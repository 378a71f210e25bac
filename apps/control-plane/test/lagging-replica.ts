// A replica that is behind its leader, on a server of its own: direct gets are answered from what it has.
import { headers, type Msg } from "@nats-io/nats-core";
import type { Nats } from "../src/nats/connection.ts";

type Query = { seq: number; batch?: number };

/**
 * Has the direct gets of a stream answered by a replica that has its messages up to `upTo` only; the API, as its leader
 * does, still tells all. `onGet` is awaited before each answer.
 */
export async function lag(nats: Nats, stream: string, onGet: () => void | Promise<void> = () => undefined) {
  await nats.jsm.streams.update(stream, { allow_direct: false });
  const replica = { upTo: 0, gets: 0 };
  const status = (code: number, text: string) => ({ headers: headers(code, text) });
  const answer = async (request: Msg) => {
    replica.gets++;
    await onGet();
    const { seq, batch } = request.json<Query>();
    const { state } = await nats.jsm.streams.info(stream);
    let given = 0;
    for (let at = seq; at <= Math.min(replica.upTo, state.last_seq) && given < (batch ?? 1); at++) {
      const found = await nats.jsm.streams.getMessage(stream, { seq: at }).catch(() => null);
      if (batch === undefined && found === null) break;
      if (found === null) continue;
      const head = found.header ?? headers();
      head.set("Nats-Subject", found.subject);
      head.set("Nats-Sequence", String(found.seq));
      head.set("Nats-Time-Stamp", found.timestamp);
      request.respond(found.data, { headers: head });
      given++;
    }
    if (given === 0) request.respond("", status(404, "Message Not Found"));
    else if (batch !== undefined) request.respond("", status(204, "EOB"));
  };
  const subscription = nats.nc.subscribe(`$JS.API.DIRECT.GET.${stream}`, {
    callback: (_, request) => void answer(request),
  });
  await nats.nc.flush();
  return Object.assign(replica, { [Symbol.dispose]: () => subscription.unsubscribe() });
}
