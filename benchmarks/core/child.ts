// A process of its own that consumes a loaded stream with the raw iterator (`raw`) or a worker (`ours`): tells when
// its first ack has reached the server, and at the end how much memory it has.

const [kind = "", messagesText = ""] = process.argv.slice(2);
const messages = Number(messagesText);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (kind === "raw") {
  const { jetstream } = await import("@nats-io/jetstream");
  const { connect } = await import("@nats-io/transport-node");
  const { NATS_URL: servers, MUSTER_STREAM: stream = "", MUSTER_GROUP: group = "" } = process.env;
  const client = await connect(servers === undefined ? {} : { servers });
  const consumer = await jetstream(client).consumers.get(stream, group);
  let count = 0;
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    message.ack();
    count += 1;
    if (count === 1) {
      await client.flush();
      say("first ack");
    }
    if (count === messages) break;
  }
  await client.flush();
  say(`rss ${process.memoryUsage().rss}`);
  process.exit(0);
}

const { OrderV1 } = await import("@muster/contracts");
const { runWorker } = await import("@muster/worker-core");
let count = 0;
await runWorker(OrderV1, async (_order, context) => {
  count += 1;
  if (count === 1) {
    // The ack leaves at the end of this turn, before what is flushed in the next.
    setImmediate(() => setImmediate(() => void context.nats.flush().then(() => say("first ack"))));
  }
  if (count === messages) {
    setTimeout(() => say(`rss ${process.memoryUsage().rss}`), 100);
  }
});
