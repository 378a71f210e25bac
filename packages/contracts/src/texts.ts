import { sha256Hex } from "./hash.ts";

/** Characters of our own header values. */
export const MAX_TEXT = 1024;

/**
 * Text that is safe in a header of any client: every UTF-16 unit outside 0x20–0x7E as `\uXXXX`,
 * trimmed of spaces, cut to `max` characters (`Infinity`: not cut).
 */
export function headerText(s: string, max: number = MAX_TEXT): string {
  const text = s.replace(/[^ -~]/g, escapeUnit);
  return trimSpaces(text).slice(0, max);
}

/** 16 hex characters that are the same for errors which differ only in numbers, ids and spacing. */
export function fingerprint(reason: string, error: string): string {
  const lower = headerText(error).replace(/[A-Z]/g, (c) => c.toLowerCase());
  const normal = lower.replace(/[0-9a-f-]+/g, (run) => (/[0-9]/.test(run) ? "#" : run)).replace(/ +/g, " ");
  return sha256Hex(`${reason}\n${normal}`).slice(0, 16);
}

// Without the u flag the pattern sees single UTF-16 units, as the rule wants.
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

// Not String.trim, which also takes what the rule keeps, and no regex: / +$/ is quadratic.
function trimSpaces(s: string): string {
  let from = 0;
  let to = s.length;
  while (from < to && s[from] === " ") from++;
  while (to > from && s[to - 1] === " ") to--;
  return s.slice(from, to);
}
