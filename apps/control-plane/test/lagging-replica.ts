// A replica that is behind its leader, on a server of its own: direct gets are answered from what it has.
import { headers, type Msg } from "@nats-io/nats-core";
import type { StoredMsg } from "@nats-io/jetstream";
import type { Nats } from "../src/nats/connection.ts";

type BySeq = { seq: number; batch?: number; next_by_subj?: string };
type Query = BySeq | { last_by_subj: string };

/**
 * Has the direct gets of a stream answered by a replica that has its messages up to `upTo` only; the API, as its leader
 * does, still tells all. What it has given once it has for ever where it `keeps`: deletes have not come to it. `onGet`
 * is awaited before each answer.
 */
export async function lag(nats: Nats, stream: string, onGet: () => void | Promise<void> = () => undefined) {
  const direct = `$JS.API.DIRECT.GET.${stream}`;
  await nats.jsm.streams.update(stream, { allow_direct: false });
  const replica = { upTo: 0, keeps: false, gets: 0 };
  const given = new Map<number | string, StoredMsg>();
  const get = async (query: Query): Promise<StoredMsg | null> => {
    const key = "seq" in query ? query.seq : query.last_by_subj;
    const kept = replica.keeps ? given.get(key) : undefined;
    // The server knows next_by_subj here too; only the client's type does not.
    const found = kept ?? (await nats.jsm.streams.getMessage(stream, query).catch(() => null));
    if (found === null || found.seq > replica.upTo) return null;
    given.set(found.seq, found);
    given.set(found.subject, found);
    return found;
  };
  const answer = async (request: Msg) => {
    replica.gets++;
    await onGet();
    const last_by_subj = request.subject.slice(`${direct}.`.length);
    const last = last_by_subj === "" ? undefined : { last_by_subj };
    const { seq, batch, next_by_subj = ">" } = last === undefined ? request.json<BySeq>() : { seq: 0 };
    const query = (from: number) => (batch === undefined ? { seq: from } : { seq: from, next_by_subj });
    let count = 0;
    for (let found = await get(last ?? query(seq)); found !== null; found = await get(query(found.seq + 1))) {
      const head = found.header ?? headers();
      head.set("Nats-Subject", found.subject);
      head.set("Nats-Sequence", String(found.seq));
      head.set("Nats-Time-Stamp", found.timestamp);
      request.respond(found.data, { headers: head });
      if (++count >= (batch ?? 1)) break;
    }
    if (count === 0) request.respond("", { headers: headers(404, "Message Not Found") });
    else if (batch !== undefined) request.respond("", { headers: headers(204, "EOB") });
  };
  const callback = (_: Error | null, request: Msg) => void answer(request);
  const subscriptions = [direct, `${direct}.>`].map((subject) => nats.nc.subscribe(subject, { callback }));
  await nats.nc.flush();
  return Object.assign(replica, {
    [Symbol.dispose]: () => subscriptions.forEach((one) => one.unsubscribe()),
  });
}
