// Answers that need no procedure.
import type { IncomingMessage, ServerResponse } from "node:http";
import { callerOf } from "./caller.ts";
import { problemOf, sendProblem } from "./rest/problem.ts";

const INVALID_REQUEST = -32_600;

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "x-content-type-options": "nosniff" });
  response.end(JSON.stringify(body));
}

/** Whether a request is for the REST interface. */
export function isRest(request: IncomingMessage): boolean {
  return /^\/api(?:[/?]|$)/.test(request.url ?? "");
}

const LINGER_MS = 1000;

/**
 * For an answer that comes before the whole body: what still comes is read and dropped, for a second. Closed at once
 * with bytes that nobody has read, the connection would be reset, and the client might never see the answer.
 */
export function passOverBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return;
  response.once("finish", () => {
    const impatience = setTimeout(() => request.socket.destroy(), LINGER_MS);
    for (const event of ["end", "close"]) request.once(event, () => clearTimeout(impatience));
    request.resume();
  });
}

/** Refuses a request in the form that its interface has for errors. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, message }: { status: number; code: string; message: string },
): void {
  passOverBody(request, response);
  const { requestId } = callerOf(request);
  if (isRest(request)) return sendProblem(response, problemOf(status, { code, message, requestId }));
  const data = { code, httpStatus: status, muster_code: code, request_id: requestId };
  // Without a number of JSON-RPC, tRPC's client takes it for no answer of a procedure.
  answer(response, status, { error: { message, code: INVALID_REQUEST, data } });
}
