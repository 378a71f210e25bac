import { isAscii } from "node:buffer";

/** Brackets outside strings may nest this deep. */
export const MAX_DEPTH = 64;

/** Which rule a body breaks; the first in this order is told. */
export type BodyCode = "empty" | "bom" | "utf8" | "depth" | "json" | "number" | "surrogate";

export type ParsedBody = { ok: true; value: unknown } | { ok: false; code: BodyCode; error: string };

const errors: Record<BodyCode, string> = {
  empty: "empty payload",
  bom: "byte order mark",
  utf8: "not UTF-8",
  depth: `nested deeper than ${MAX_DEPTH}`,
  json: "not JSON",
  number: "number beyond a double",
  surrogate: "lone surrogate",
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a message body as JSON by the protocol's rules, which are stricter than any one library:
 * the same bytes are valid in every language, or in none. Safe on any input.
 */
export function parseBody(bytes: Uint8Array): ParsedBody {
  if (bytes.length === 0) return broken("empty");
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return broken("bom");
  const text = decode(bytes);
  if (text === undefined) return broken("utf8");
  if (mayBeDeep(text) && isTooDeep(bytes)) return broken("depth");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return broken("json");
  }
  // The value cannot tell: a key given twice hides its first value.
  if (mayBeInfinite(text) && hasInfiniteNumber(text)) return broken("number");
  if (escapedSurrogateRe.test(text) && hasLoneSurrogate(text)) return broken("surrogate");
  return { ok: true, value };
}

// Most bodies are ASCII, which is read at a third of the price of a strict decoder.
function decode(bytes: Uint8Array): string | undefined {
  if (isAscii(bytes)) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function broken(code: BodyCode): ParsedBody {
  return { ok: false, code, error: errors[code] };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

// The text is searched first for what a closer look needs: few messages have many brackets, an exponent or an escaped
// surrogate, and a native search of 200 characters costs less than one step of a loop for each of them.
const exponentRe = /[0-9][eE]/;
const longNumberRe = /[0-9]{301}/;
const escapedSurrogateRe = /\\u[dD]/;
const MOST_SHORT = 300;

function mayBeInfinite(text: string): boolean {
  return exponentRe.test(text) || (text.length > MOST_SHORT && longNumberRe.test(text));
}

function mayBeDeep(text: string): boolean {
  let brackets = 0;
  for (const open of "[{") {
    for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at + 1)) {
      if (++brackets > MAX_DEPTH) return true;
    }
  }
  return false;
}

// Over the bytes, before anything recursive sees them.
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (inString) {
      if (byte === QUOTE) inString = false;
      else if (byte === BACKSLASH) i++;
    } else if (byte === QUOTE) inString = true;
    else if ((byte | 0x20) === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((byte | 0x20) === 0x7d) depth--;
  }
  return false;
}

// Both walk text that JSON.parse has taken, so tokens are well formed and strings end.
function hasInfiniteNumber(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '"') i = endOfString(text, i);
    else if (char === "-" || (char >= "0" && char <= "9")) {
      const from = i;
      while (i + 1 < text.length && "0123456789+-.eE".includes(text.charAt(i + 1))) i++;
      if (!Number.isFinite(Number(text.slice(from, i + 1)))) return true;
    }
  }
  return false;
}

function hasLoneSurrogate(text: string): boolean {
  for (let i = text.indexOf('"'); i >= 0; i = text.indexOf('"', i + 1)) {
    const end = endOfString(text, i);
    const string: unknown = JSON.parse(text.slice(i, end + 1));
    if (typeof string === "string" && !string.isWellFormed()) return true;
    i = end;
  }
  return false;
}

function endOfString(text: string, open: number): number {
  let i = open + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}
