// The JSON body of a request, up to a size.
import type { IncomingMessage } from "node:http";
import { fail } from "../errors.ts";

/** The object in the body; nothing sent is an empty one. Throws `payload_too_large` and `bad_request`. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Record<string, unknown>> {
  const body = await bytesOf(request, maxBytes);
  if (body.byteLength === 0) return {};
  const value = parse(body);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("bad_request", "the body has to be a JSON object");
  return value as Record<string, unknown>;
}

/** By its events: leaving an iterator early would end the request, and nothing more of it could be read. */
function bytesOf(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const more = (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= maxBytes) return void chunks.push(chunk);
      request.off("data", more).pause();
      reject(fail("payload_too_large", `the body is larger than ${maxBytes} bytes; send fewer at once`));
    };
    request.on("data", more);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    const gone = () => reject(fail("bad_request", "the connection was closed within the body"));
    request.once("error", gone);
    request.once("close", gone);
  });
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown;
  } catch (error) {
    throw fail("bad_request", "the body is not JSON in UTF-8", error);
  }
}
