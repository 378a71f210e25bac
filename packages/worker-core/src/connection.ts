import { createInbox, PermissionViolationError } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { NatsConnectionImpl } from "@nats-io/nats-core/internal";
import { delay } from "./clock.ts";
import type { Logger } from "./log.ts";

/**
 * One NATS connection that reconnects for ever and says whether it is up.
 *
 * The client buffers what is published while it dials and sends it when it is back, however old it
 * is by then, or drops it. Whoever publishes therefore asks `isUp` first.
 */
export class Connection {
  readonly nats: NatsConnection;
  #isUp = true;
  #maxPayload: number;
  readonly #listeners = new Set<(isUp: boolean) => void>();
  readonly #forbidden = new Set<(error: PermissionViolationError) => void>();
  readonly #inboxPrefix: string | undefined;
  readonly #log: Logger;

  constructor(nats: NatsConnection, log: Logger, inboxPrefix?: string) {
    this.nats = nats;
    this.#log = log;
    this.#inboxPrefix = inboxPrefix;
    this.#maxPayload = nats.info?.max_payload ?? 1_048_576;
    void this.#watchStatus();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Bytes of headers and body a message may have, as the server last said. */
  get maxPayload(): number {
    return this.#maxPayload;
  }

  /**
   * Sends many small publishes in one piece, in the protocol's own words: the client would check, encode and copy
   * each by itself, which costs more than all else that an ack needs.
   */
  sendText(text: string): void {
    this.#protocol.sendCommand(text);
  }

  /**
   * Writes what was published to the socket, instead of at the end of what the client is reading: the server then
   * works on it while this process goes on.
   */
  writeNow(): void {
    // Private to the client. Where it is called otherwise one day, all leaves a little later.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- asked for before it is called
    (this.#protocol as unknown as { flushPending?: () => void }).flushPending?.();
  }

  /** Calls back with false when the connection is lost and with true when it is there again. */
  onChange(listener: (isUp: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back when the server refused a publish or a subscription. */
  onForbidden(listener: (error: PermissionViolationError) => void): void {
    this.#forbidden.add(listener);
  }

  /** A subject that nobody else listens to. */
  newInbox(): string {
    return createInbox(this.#inboxPrefix);
  }

  /** Resolves when what was published has been taken by the server, false when that cannot be known. */
  async flush(timeoutMs = 5000): Promise<boolean> {
    if (!this.#isUp || this.nats.isClosed()) {
      return false;
    }
    const timeout = new AbortController();
    // A pending flush is neither resolved nor rejected when the client closes: it needs the time limit.
    const flushed = this.nats.flush().then(
      () => true,
      () => false,
    );
    const result = await Promise.race([flushed, delay(timeoutMs, timeout.signal).then(() => false)]);
    timeout.abort();
    return result;
  }

  async close(): Promise<void> {
    if (!this.nats.isClosed()) {
      await this.nats.close();
    }
  }

  get #protocol(): NatsConnectionImpl["protocol"] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only class behind the interface
    return (this.nats as NatsConnectionImpl).protocol;
  }

  async #watchStatus(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === "disconnect") {
        this.#change(false);
      } else if (status.type === "reconnect") {
        this.#maxPayload = this.nats.info?.max_payload ?? this.#maxPayload;
        this.#change(true);
      } else if (status.type === "error" && status.error instanceof PermissionViolationError) {
        for (const listener of this.#forbidden) {
          listener(status.error);
        }
      } else if (status.type === "error") {
        this.#log.error({ code: "nats_error", error: status.error.message }, "server error");
      }
    }
    this.#change(false, true);
  }

  #change(isUp: boolean, isClosing = false): void {
    if (this.#isUp === isUp) {
      return;
    }
    this.#isUp = isUp;
    if (!isClosing) {
      this.#log.warn(isUp ? "reconnected" : "disconnected");
    }
    for (const listener of this.#listeners) {
      listener(isUp);
    }
  }
}
