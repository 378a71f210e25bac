import type { NatsConnection } from "@nats-io/transport-node";
import { createVerdict, isName, type JsonSchema, jsonSchemaOf, MusterError } from "@muster/contracts";
import { z } from "zod";
import { newEventId } from "./event-id.ts";
import type { PublishError } from "./publish-error.ts";
import type { Accepted } from "./publish-item.ts";
import { type MessageRules, outgoing, type PublishOptions } from "./publish-message.ts";
import { PublishPipe } from "./publish-pipe.ts";

/** What a publisher needs. */
export interface PublisherOptions<T extends z.ZodType = z.ZodType> {
  /** An open connection; it stays its owner's to close. `maxReconnectAttempts: -1` keeps it trying for ever. */
  readonly nats: NatsConnection;
  /** A zod contract, or its JSON Schema; what is published must match it. */
  readonly contract: T | JsonSchema;
  /** Name of the contract, sent as `Muster-Contract`; default: the contract's title. */
  readonly name?: string;
  /** How long an answer may take, and how long a message waits for the connection; default 5000. */
  readonly timeoutMs?: number;
  /** Messages sent and not answered yet; more wait their turn. Default 256. */
  readonly maxInFlight?: number;
  /** Where the account limits inboxes: what the connection was opened with. Default `_INBOX`. */
  readonly inboxPrefix?: string;
}

/** One message of {@link Publisher.publishAll}. */
export interface PublishItem<V = unknown> extends PublishOptions {
  readonly subject: string;
  readonly value: V;
}

/** What a stream has accepted; a `duplicate` was there already, `sequence` is that one's. */
export interface Published extends Accepted {
  readonly eventId: string;
}

/** What became of one message of {@link Publisher.publishAll}. */
export type PublishResult = ({ ok: true } & Published) | { ok: false; eventId: string; error: PublishError };

const defaultMaxPayload = 1_048_576;

/**
 * Publishes messages of one contract to streams, many in flight, each with its own answer.
 *
 * A message is accepted when `publish` resolves. When it rejects with `unreachable`, that is not known: publish
 * the same value again with the same event id, the stream or the ledger drops the second copy.
 *
 * ```ts
 * await using orders = new Publisher({ nats, contract: OrderV1 });
 * await orders.publish("orders.created", order, { eventId: `${order.id}.created` });
 * ```
 */
export class Publisher<T extends z.ZodType = z.ZodType> implements AsyncDisposable {
  readonly #pipe: PublishPipe;
  readonly #rules: MessageRules;

  /** Throws MusterError `bad_name` for the contract's name, `bad_schema` where it cannot be judged by. */
  constructor(options: PublisherOptions<T>) {
    const { nats, contract, timeoutMs = 5000, maxInFlight = 256, inboxPrefix } = options;
    const schema = contract instanceof z.ZodType ? readSchema(contract) : contract;
    const name = readName(options.name ?? schema["title"]);
    this.#rules = {
      contract: name,
      verdict: createVerdict(name, schema),
      maxPayload: () => nats.info?.max_payload ?? defaultMaxPayload,
    };
    this.#pipe = new PublishPipe(nats, { timeoutMs, maxInFlight, inboxPrefix });
  }

  /**
   * Publishes a value and resolves with what the stream has accepted; rejects with a {@link PublishError}.
   * Without awaiting, what is beyond `maxInFlight` waits in memory.
   */
  async publish(subject: string, value: z.input<T>, options: PublishOptions = {}): Promise<Published> {
    const eventId = options.eventId ?? newEventId();
    const message = outgoing({ subject, eventId }, value, options, this.#rules);
    const { stream, sequence, duplicate } = await this.#pipe.send(message);
    return { stream, sequence, duplicate, eventId };
  }

  /**
   * Publishes many and resolves with a result for each, in their order; no failed message rejects it. The iterable
   * is read as fast as messages are answered.
   */
  async publishAll(items: Iterable<PublishItem<z.input<T>>>): Promise<PublishResult[]> {
    const results: Promise<PublishResult>[] = [];
    for (const { subject, value, ...options } of items) {
      if (this.#pipe.isFull) {
        await this.#pipe.room();
      }
      const eventId = options.eventId ?? newEventId();
      results.push(
        this.publish(subject, value, { ...options, eventId }).then(
          (published): PublishResult => ({ ok: true, ...published }),
          (error: PublishError): PublishResult => ({ ok: false, eventId, error }),
        ),
      );
    }
    return Promise.all(results);
  }

  /** Takes no more (`closed`), and resolves when everything has its answer. The connection stays open. */
  drain(): Promise<void> {
    return this.#pipe.drain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}

function readSchema(contract: z.ZodType): JsonSchema {
  try {
    return jsonSchemaOf(contract);
  } catch (cause) {
    throw new MusterError("bad_schema", "the contract cannot be written as JSON Schema", { cause });
  }
}

// As the key of a bucket: names joined by dots.
function readName(name: unknown): string {
  if (typeof name === "string" && name.split(".").length <= 5 && name.split(".").every(isName)) {
    return name;
  }
  const what = name === undefined ? "has no title" : `${JSON.stringify(name)} is no name`;
  throw new MusterError("bad_name", `contract ${what}: order.v1 would be one`);
}
