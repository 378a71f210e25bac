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

/** Refuses a request in the form that its interface has for errors. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, message }: { status: number; code: string; message: string },
): void {
  // The rest of the body is not read: with it, the connection could not be used again.
  if (request.method !== "GET") response.setHeader("connection", "close");
  const { requestId } = callerOf(request);
  if (isRest(request)) return sendProblem(response, problemOf(status, { code, message, requestId }));
  const data = { code, httpStatus: status, muster_code: code, request_id: requestId };
  // Without a number of JSON-RPC, tRPC's client takes it for no answer of a procedure.
  answer(response, status, { error: { message, code: INVALID_REQUEST, data } });
}
