// The few headers that the index needs, without parsing all: that was a quarter of the processor time of building it.
import type { JsMsg } from "@nats-io/jetstream";

/** What the client keeps of a message; its own, and not in its types. */
type Inner = { msg?: { _rdata?: unknown; _msg?: { hdr?: unknown } } };

/**
 * Names and values in their order, a name given twice twice; only those that begin with one of `prefixes`. Through the
 * client's own parser where the message is not kept as expected.
 */
export function headersOf(message: JsMsg, prefixes: readonly string[]): Iterable<readonly [string, string]> {
  const { _rdata: data, _msg: { hdr: length } = {} } = (message as unknown as Inner).msg ?? {};
  if (!(data instanceof Uint8Array) || typeof length !== "number") return parsedByClient(message, prefixes);
  if (length <= 0) return [];
  const bytes = Buffer.from(data.buffer, data.byteOffset, length);
  return linesOf(bytes.toString("utf8"), prefixes);
}

function* linesOf(text: string, prefixes: readonly string[]): Generator<readonly [string, string]> {
  // The first line is the version.
  let at = text.indexOf("\r\n") + 2;
  for (let end = text.indexOf("\r\n", at); end > at; end = text.indexOf("\r\n", at)) {
    for (const prefix of prefixes) {
      if (!text.startsWith(prefix, at)) continue;
      const line = text.slice(at, end);
      const colon = line.indexOf(":");
      if (colon > -1) yield [line.slice(0, colon), line.slice(colon + 1).trim()];
      break;
    }
    at = end + 2;
  }
}

function* parsedByClient(
  { headers }: JsMsg,
  prefixes: readonly string[],
): Generator<readonly [string, string]> {
  for (const [name, values] of headers ?? [])
    if (prefixes.some((prefix) => name.startsWith(prefix))) for (const value of values) yield [name, value];
}
