// Web pages of other origins: none may ask, but those that are listed.
import type { IncomingMessage, ServerResponse } from "node:http";

/** What a page may send beside a plain request, and read beside the body. */
const headers = {
  "access-control-allow-methods": "GET, POST, PUT, DELETE",
  "access-control-allow-headers": "authorization, content-type, x-request-id, last-event-id, trpc-accept",
  "access-control-max-age": "600",
};

/** Whether a request comes from no page, from one of our own origin, or from one that is listed, to the letter. */
export function isOriginAllowed(
  { headers: { origin, host } }: IncomingMessage,
  origins: readonly string[],
): boolean {
  return origin === undefined || origin === `http://${host}` || origins.includes(origin);
}

/** Lets the page read the answer, where its origin is listed. Others get nothing, not even who is. */
export function allowReading(
  { headers: { origin } }: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): void {
  if (origins.length > 0) response.setHeader("vary", "origin");
  if (origin === undefined || !origins.includes(origin)) return;
  // Tokens are sent by the page, never by the browser: no cookies, so no credentials.
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", "x-request-id, retry-after");
}

/** Whether a browser asks what a page may do. */
export function isPreflight({ method, headers: asked }: IncomingMessage): boolean {
  return method === "OPTIONS" && asked.origin !== undefined && "access-control-request-method" in asked;
}

/** Says it; for allowed origins only. */
export function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, headers);
  response.end();
}
