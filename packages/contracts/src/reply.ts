/** What the server says of a delivery in the subject that its ack goes to. */
export interface AckReply {
  stream: string;
  consumer: string;
  /** How often the server handed the message out, this time included. No count of attempts. */
  delivered: number;
  seq: number;
  /** Nanoseconds since 1970. Text: it is part of the message's identity and beyond 2^53. */
  storeTime: string;
  pending: number;
}

const SHORT = 9;
const LONG = 11;
const MOST_DIGITS = 19;
const ZERO = 0x30;

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<store time>.<pending>`, and
 * the form with domain and account before the stream and anything after the pending count.
 * `undefined`: no such subject.
 */
export function parseAckReply(subject: string): AckReply | undefined {
  if (!subject.startsWith("$JS.ACK.")) return undefined;
  const tokens = subject.split(".");
  if (tokens.length !== SHORT && tokens.length < LONG) return undefined;
  const at = tokens.length === SHORT ? 2 : 4;
  const stream = tokens[at];
  const consumer = tokens[at + 1];
  const storeTime = tokens[at + 5] ?? "";
  const delivered = numberOf(tokens[at + 2]);
  const seq = numberOf(tokens[at + 3]);
  const pending = numberOf(tokens[at + 6]);
  if (!stream || !consumer || delivered < 0 || seq < 0 || pending < 0) return undefined;
  if (numberOf(tokens[at + 4]) < 0 || numberOf(storeTime) < 0) return undefined;
  return { stream, consumer, delivered, seq, storeTime, pending };
}

// -1: not 1 to 19 digits. By hand: every message has five of them.
function numberOf(token: string | undefined): number {
  if (token === undefined || token.length === 0 || token.length > MOST_DIGITS) return -1;
  let number = 0;
  for (let i = 0; i < token.length; i++) {
    const digit = token.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
