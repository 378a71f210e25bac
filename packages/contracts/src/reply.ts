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
const digitsRe = /^[0-9]{1,19}$/;

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<store time>.<pending>`, and
 * the form with domain and account before the stream and anything after the pending count.
 * `undefined`: no such subject.
 */
export function parseAckReply(subject: string): AckReply | undefined {
  const tokens = subject.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  if (tokens.length !== SHORT && tokens.length < LONG) return undefined;
  const at = tokens.length === SHORT ? 2 : 4;
  const [stream, consumer, delivered, seq, consumerSeq, storeTime, pending] = tokens.slice(at);
  if (!stream || !consumer) return undefined;
  if (storeTime === undefined || !digitsRe.test(storeTime)) return undefined;
  for (const n of [delivered, seq, consumerSeq, pending]) {
    if (n === undefined || !digitsRe.test(n)) return undefined;
  }
  return {
    stream,
    consumer,
    delivered: Number(delivered),
    seq: Number(seq),
    storeTime,
    pending: Number(pending),
  };
}
