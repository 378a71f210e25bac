// Numbers given as flags.
import { CliError } from "../client.ts";

/** A whole number; a usage error for anything else. */
export function toNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new CliError(`${text} is no whole number`, 2);
  return Number(text);
}
