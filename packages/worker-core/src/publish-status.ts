import { PermissionViolationError } from "@nats-io/transport-node";
import type { NatsConnection, Status } from "@nats-io/transport-node";

/** What is told of a connection that is somebody else's. */
export interface StatusListener {
  readonly onChange: (isUp: boolean) => void;
  /** The server refused a publish or a subscription. */
  readonly onForbidden: (error: PermissionViolationError) => void;
  readonly onClosed: () => void;
}

/** Tells of the connection until that is ended by the result, or the connection closed. */
export function watchStatus(nats: NatsConnection, listener: StatusListener): () => void {
  const status = nats.status();
  void tell(status, listener);
  return () => stop(status);
}

async function tell(status: AsyncIterable<Status>, listener: StatusListener): Promise<void> {
  for await (const event of status) {
    if (event.type === "disconnect") {
      listener.onChange(false);
    } else if (event.type === "reconnect") {
      listener.onChange(true);
    } else if (event.type === "error" && event.error instanceof PermissionViolationError) {
      listener.onForbidden(event.error);
    }
  }
  listener.onClosed();
}

// The iterator's type has no end; it would stay with the connection.
function stop(status: AsyncIterable<Status>): void {
  if ("stop" in status && typeof status.stop === "function") {
    status.stop();
  }
}

/** Whether the client is connected: its own word, not in its types; there is no event for a connection that is down already. */
export function isConnected(nats: NatsConnection): boolean {
  const protocol = (nats as { protocol?: { connected?: unknown } }).protocol;
  return protocol?.connected !== false;
}
