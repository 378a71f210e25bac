// Who sends a request, as far as the request itself tells.
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Caller } from "./access/access.ts";

const callers = new WeakMap<IncomingMessage, Caller>();

/** The same caller for the same request, with an id of the client's where that is a plain word. */
export function callerOf(request: IncomingMessage): Caller {
  const known = callers.get(request);
  if (known !== undefined) return known;
  const { "x-request-id": given, authorization } = request.headers;
  const requestId = typeof given === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : randomUUID();
  const caller = { requestId, remote: request.socket.remoteAddress ?? "", authorization };
  callers.set(request, caller);
  return caller;
}
