// What the publisher's tests publish to: a stream of its own, or something that answers in a stream's place.
import { type JsMsg, jetstream, jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect, type ConnectionOptions, type Msg, type NatsConnection } from "@nats-io/transport-node";
import type { NatsServer } from "@muster/testkit";
import { z } from "zod";
import { Publisher, type PublisherOptions } from "../src/publisher.ts";

export const Job = z.strictObject({ job: z.string() }).meta({ title: "job.v1" });
export type Job = z.infer<typeof Job>;

let names = 0;
/** Another name each time: tests of a file share a server. */
export function nameFor(prefix: string): string {
  return `${prefix}${++names}`;
}

/** A stream with a connection of its own. */
export class Stream implements AsyncDisposable {
  readonly name = nameFor("P");
  readonly subject = `${this.name}.job`;
  readonly nats: NatsConnection;
  readonly jsm: Awaited<ReturnType<typeof jetstreamManager>>;
  readonly #publishers: Publisher[] = [];

  private constructor(nats: NatsConnection, jsm: Stream["jsm"]) {
    this.nats = nats;
    this.jsm = jsm;
  }

  static async create(
    on: NatsServer,
    config: Partial<StreamConfig> = {},
    options: ConnectionOptions = {},
  ): Promise<Stream> {
    const nats = await connect({
      servers: on.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      ...options,
    });
    const stream = new Stream(nats, await jetstreamManager(nats));
    await stream.jsm.streams.add({ name: stream.name, subjects: [`${stream.name}.>`], ...config });
    return stream;
  }

  publisher(options: Partial<PublisherOptions> = {}): Publisher<typeof Job> {
    const publisher = new Publisher({ nats: this.nats, ...options, contract: Job });
    this.#publishers.push(publisher);
    return publisher;
  }

  async messages(): Promise<JsMsg[]> {
    const { state } = await this.jsm.streams.info(this.name);
    // A fetch of the client's can come back with fewer than there are, after all of its time.
    for (let round = 1; state.messages > 0 && round <= 5; round++) {
      const messages: JsMsg[] = [];
      const consumer = await jetstream(this.nats).consumers.get(this.name);
      for await (const message of await consumer.fetch({ max_messages: state.messages, expires: 2000 })) {
        messages.push(message);
      }
      if (messages.length === state.messages) return messages;
    }
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nats.close();
  }
}

/** Something that is asked instead of a stream, and answers when it is told to, or always the same. */
export class Answerer {
  readonly subject: string;
  readonly requests: Msg[] = [];
  answered = 0;
  readonly stop: () => void;

  constructor(nats: NatsConnection, subject: string, always?: string) {
    this.subject = subject;
    const subscription = nats.subscribe(subject, {
      callback: (_error, msg) => {
        this.requests.push(msg);
        if (always !== undefined) msg.respond(always);
      },
    });
    this.stop = () => subscription.unsubscribe();
  }

  /** Answers the oldest that has no answer. */
  answer(): void {
    const request = this.requests[this.answered];
    if (request !== undefined) {
      this.answered += 1;
      request.respond(JSON.stringify({ stream: "S", seq: this.answered }));
    }
  }
}

/** The headers of a message, the last value of each. */
export function headersOf(message: JsMsg | undefined): Record<string, string> {
  return Object.fromEntries(
    [...(message?.headers ?? [])].map(([name, values]) => [name, values.at(-1) ?? ""]),
  );
}

/** What the client does not show of itself. */
export function inside(nats: NatsConnection): {
  connected: boolean;
  listeners: unknown[];
  subscriptions: { size(): number };
} {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (nats as unknown as { protocol: ReturnType<typeof inside> }).protocol;
}

/** What a publisher has left on the connection. */
export function traces(nats: NatsConnection): { listeners: number; subscriptions: number } {
  const { listeners, subscriptions } = inside(nats);
  return { listeners: listeners.length, subscriptions: subscriptions.size() };
}
