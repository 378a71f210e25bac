import type { AttemptsRecord, DeadLetterReason } from "@muster/contracts";
import { deadLetterHeaders, dlqSubject, MusterError } from "@muster/contracts";
import { isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Message } from "./message.ts";
import type { Wire } from "./wire.ts";
import { readPubAck } from "./pub-ack.ts";

/** Why a message is set aside. */
export interface Failure {
  readonly reason: DeadLetterReason;
  readonly errorClass: string;
  readonly error: string;
}

/** Room left beside the body for the subject, the protocol line and the ledger row's own fields. */
const reservedBytes = 1024;

/** Builds and publishes dead letters: the original bytes, with the history in headers. */
export class DeadLetters {
  readonly #wire: Wire;
  readonly #connection: Connection;
  readonly #config: WorkerConfig;

  constructor(wire: Wire, connection: Connection, config: WorkerConfig) {
    this.#wire = wire;
    this.#connection = connection;
    this.#config = config;
  }

  /** All headers of the dead letter; the ledger row keeps them, so that another member can publish it. */
  headers(
    message: Message,
    failure: Failure,
    contract: string,
    record: AttemptsRecord | undefined,
  ): Record<string, string> {
    const { stream, group, workerId, version } = this.#config;
    const at = isoTime();
    const facts = {
      stream,
      seq: message.sequence,
      storeTime: message.storeTime,
      subject: message.subject,
      group,
      reason: failure.reason,
      errorClass: failure.errorClass,
      error: failure.error,
      attempts: record?.attempts ?? 0,
      firstAt: record?.history[0]?.started_at ?? at,
      lastAt: at,
      member: workerId,
      language: "ts" as const,
      version,
      contract,
      eventId: message.eventId,
      replayNumber: message.replayNumber,
      history: record?.history ?? [],
    };
    const limit = this.#connection.maxPayload - message.body.length - reservedBytes;
    return deadLetterHeaders(message.headers, facts, limit);
  }

  /** Resolves when the dead-letter stream has it; a second copy is dropped there by its id. Throws `unreachable`. */
  async publish(reason: DeadLetterReason, headers: Record<string, string>, body: Uint8Array): Promise<void> {
    const subject = dlqSubject(this.#config.stream, this.#config.group, reason);
    const ack = readPubAck(await this.#wire.request(subject, body, headers));
    if (!ack.ok) {
      throw new MusterError("unreachable", `dead letter to ${subject}: ${ack.error} (${ack.errorCode})`);
    }
  }
}
