import { jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { startNats } from "@muster/testkit";
import { expect, test } from "vitest";
import { headersOf } from "../src/dead-letters/index/raw-headers.ts";

test("gives the same headers as the client's parser, and takes that one where it must", async () => {
  await using server = await startNats();
  const nc = await connect({ servers: server.url });
  const js = jetstream(nc);
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  await jsm.streams.add({ name: "S", subjects: ["s"] });
  const h = headers();
  h.append("Muster-Dlq-Error", "a: b, käse 😀");
  h.append("Muster-Dlq-Error", "again");
  h.append("Muster-Dlq-Empty", "");
  h.append("muster-dlq-id", "another name");
  h.append("traceparent", "00");
  h.append("Nats-Msg-Id", "  x  ");
  await js.publish("s", "body", { headers: h });
  await js.publish("s", "no headers");
  const consumer = await js.consumers.get("S", { headers_only: true });
  const read: JsMsg[] = [];
  for await (const message of await consumer.fetch({ max_messages: 2, expires: 5000 })) read.push(message);
  const prefixes = ["Muster-Dlq-", "Nats-"];
  const [first] = read.map((message) => [...headersOf(message, prefixes)]);
  expect(first).toEqual([
    ["Muster-Dlq-Error", "a: b, käse 😀"],
    ["Muster-Dlq-Error", "again"],
    ["Muster-Dlq-Empty", ""],
    ["Nats-Msg-Id", "x"],
    ["Nats-Msg-Size", "4"],
  ]);
  for (const message of read) {
    const plain = { headers: message.headers } as JsMsg;
    expect([...headersOf(plain, prefixes)]).toEqual([...headersOf(message, prefixes)]);
    // Not by the client's parser: this very version keeps messages as expected.
    const { msg } = message as unknown as { msg: object };
    const kept = { msg, headers: undefined } as unknown as JsMsg;
    expect([...headersOf(kept, prefixes)]).toEqual([...headersOf(message, prefixes)]);
  }
  expect(read).toHaveLength(2);
  await nc.close();
});
