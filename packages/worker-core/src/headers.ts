import type { Msg, MsgHdrs } from "@nats-io/transport-node";

/** Headers of a message: the status line's code and text, and of each name the last value. */
export interface WireHeaders {
  readonly code: number;
  readonly description: string;
  readonly values: Record<string, string>;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const none: WireHeaders = { code: 0, description: "", values: Object.freeze(Object.create(null)) };
const digit0 = 0x30;
/** Where the code stands in `NATS/1.0 404`. */
const codeAt = 9;

/**
 * Reads a message's headers from its bytes: the client's own reader throws on a name it does not like,
 * and returns the first of two values where the protocol wants the last.
 */
export function readHeaders(msg: Msg): WireHeaders {
  const bytes = headerBytes(msg);
  if (bytes === undefined) {
    return none;
  }
  const [first = "", ...lines] = decoder.decode(bytes).split("\r\n");
  const status = /^NATS\/1\.0\s+([0-9]{3})\s*(.*)$/.exec(first);
  const values: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) {
      values[line.slice(0, colon)] = line.slice(colon + 1).trim();
    }
  }
  return { code: Number(status?.[1] ?? 0), description: (status?.[2] ?? "").trim(), values };
}

/** The status code alone, without reading the rest; 0 where there is none. */
export function readStatus(msg: Msg): number {
  const bytes = headerBytes(msg);
  const [a = 0, b = 0, c = 0] = bytes?.subarray(codeAt, codeAt + 3) ?? [];
  const code = (a - digit0) * 100 + (b - digit0) * 10 + (c - digit0);
  return bytes !== undefined && code >= 100 && code <= 999 ? code : 0;
}

/** True when the message has a header block. */
export function hasHeaders(msg: Msg): boolean {
  return headerBytes(msg) !== undefined;
}

/**
 * Headers to publish, encoded once where they are always the same. The client asks its own class only for
 * `encode`, and building that class costs more than the whole rest of a publish.
 */
export function encodeHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  let text = "NATS/1.0\r\n";
  for (const [name, value] of Object.entries(values)) {
    text += `${name}: ${value}\r\n`;
  }
  // A TextEncoder takes ten times as long for a short text.
  const bytes = Buffer.from(`${text}\r\n`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return { encode: () => bytes } as unknown as MsgHdrs;
}

// The client's messages have `_msg.hdr`, the length of the header block (-1: none), and headers lie right before
// the body; neither is in its types. A message of another make is measured by its size.
function headerBytes(msg: Msg): Uint8Array | undefined {
  const size = headerSize(msg);
  return size > 0 ? new Uint8Array(msg.data.buffer, msg.data.byteOffset - size, size) : undefined;
}

function headerSize(msg: Msg): number {
  const parsed = (msg as { _msg?: { hdr?: unknown } })._msg?.hdr;
  if (typeof parsed === "number") {
    return parsed;
  }
  const total = "size" in msg && typeof msg.size === "function" ? Number(msg.size()) : 0;
  return (
    total - encoder.encode(msg.subject).length - encoder.encode(msg.reply ?? "").length - msg.data.length
  );
}
