// What is refused before tRPC sees it: other than JSON, too large, sent by a web page.
import type { IncomingMessage } from "node:http";
import { isLoopback } from "./config.ts";

/** Why a request is refused, or nothing. */
export function refusal(
  request: IncomingMessage,
  host: string,
  maxBodyBytes: number,
): { status: number; code: string; message: string } | undefined {
  if (request.method !== "GET" && request.method !== "POST") {
    return {
      status: 405,
      code: "method_not_supported",
      message: `method ${request.method} is not supported; queries are GET, mutations POST`,
    };
  }
  // Without a login, a page in the operator's browser must not reach us: not across origins, nor by a
  // name that it made point to loopback.
  const name = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (isLoopback(host) && !isLoopback(name)) {
    return { status: 421, code: "wrong_host", message: "this control plane answers on loopback only" };
  }
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${request.headers.host}`) {
    return { status: 403, code: "wrong_origin", message: "requests of other origins are refused" };
  }
  if (request.method === "GET") return undefined;
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return { status: 415, code: "unsupported_media_type", message: "only application/json is taken" };
  }
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) {
    return {
      status: 413,
      code: "payload_too_large",
      message: `the body is larger than ${maxBodyBytes} bytes; send fewer at once`,
    };
  }
  return undefined;
}
