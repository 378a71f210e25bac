// What is refused before a procedure sees it: other than JSON, too large, sent by a web page.
import type { IncomingMessage } from "node:http";
import { isRest } from "./answer.ts";
import { isLoopback } from "./config.ts";
import { isOriginAllowed, isPreflight } from "./cors.ts";

/** Longest URL; an id of 1024 characters fits in whatever script it is written. */
const MAX_URL = 12 * 1024;

/** What a request is measured by. */
export type Rules = { host: string; origins: readonly string[]; maxBodyBytes: number };

type Refusal = { status: number; code: string; message: string };

/** Why a request is refused, or nothing. */
export function refusal(
  request: IncomingMessage,
  { host, origins, maxBodyBytes }: Rules,
): Refusal | undefined {
  // Without a login, a page in the operator's browser must not reach us: not across origins, nor by a
  // name that it made point to loopback.
  const name = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (isLoopback(host) && !isLoopback(name)) {
    return { status: 421, code: "wrong_host", message: "this control plane answers on loopback only" };
  }
  if (!isOriginAllowed(request, origins)) {
    return { status: 403, code: "wrong_origin", message: "requests of other origins are refused" };
  }
  if (isPreflight(request)) return undefined;
  const isOfRest = isRest(request);
  const { method = "" } = request;
  const methods = isOfRest ? ["GET", "POST", "PUT", "DELETE"] : ["GET", "POST"];
  if (!methods.includes(method)) {
    // Each path of REST has methods of its own, which it tells.
    if (isOfRest) return undefined;
    return {
      status: 405,
      code: "method_not_supported",
      message: `method ${method} is not supported; queries are GET, mutations POST`,
    };
  }
  if ((request.url ?? "").length > MAX_URL) {
    return { status: 414, code: "uri_too_long", message: `the URL is longer than ${MAX_URL} characters` };
  }
  return method === "GET" || method === "DELETE" ? undefined : bodyRefusal(request, isOfRest, maxBodyBytes);
}

function bodyRefusal({ headers }: IncomingMessage, isOfRest: boolean, maxBytes: number): Refusal | undefined {
  const length = headers["content-length"];
  const isEmpty = headers["transfer-encoding"] === undefined && (length === undefined || length === "0");
  // A page's request always tells its origin: from one, an empty body needs its type too.
  if (isOfRest && isEmpty && headers.origin === undefined) return undefined;
  if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "")) {
    return { status: 415, code: "unsupported_media_type", message: "only application/json is taken" };
  }
  if (!/^(identity)?$/i.test(headers["content-encoding"] ?? "")) {
    // What is packed tells its size only while it is unpacked.
    return { status: 415, code: "unsupported_encoding", message: "compressed bodies are not taken" };
  }
  if (Number(length ?? 0) > maxBytes) {
    return {
      status: 413,
      code: "payload_too_large",
      message: `the body is larger than ${maxBytes} bytes; send fewer at once`,
    };
  }
  return undefined;
}
