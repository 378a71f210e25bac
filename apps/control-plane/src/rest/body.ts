// The JSON body of a request, up to a size.
import type { IncomingMessage } from "node:http";
import { fail } from "../errors.ts";

/** The object in the body; nothing sent is an empty one. Throws `payload_too_large` and `bad_request`. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > maxBytes)
      throw fail("payload_too_large", `the body is larger than ${maxBytes} bytes; send fewer at once`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  const value = parse(Buffer.concat(chunks));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("bad_request", "the body has to be a JSON object");
  return value as Record<string, unknown>;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown;
  } catch (error) {
    throw fail("bad_request", "the body is not JSON in UTF-8", error);
  }
}
