// Store times: what the ack reply gives as nanoseconds, the stream API gives as RFC 3339.

/** Nanoseconds since 1970 of an RFC 3339 time, as text; "0" when it is none. */
export function storeTimeOf(timestamp: string): string {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp);
  if (match === null) return "0";
  const [, seconds, fraction = "", zone] = match;
  const wholeMs = Date.parse(`${seconds}${zone}`);
  return (BigInt(wholeMs) * 1_000_000n + BigInt(fraction.padEnd(9, "0"))).toString();
}

/** Store times in order; text that is no number counts as the earliest. */
export function compareStoreTimes(a: string, b: string): number {
  const [x, y] = [toNumber(a), toNumber(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function toNumber(text: string): bigint {
  return /^\d{1,30}$/.test(text) ? BigInt(text) : 0n;
}
