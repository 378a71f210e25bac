import { z } from "zod";
import { CONTRACT_PATTERN, NAME_PATTERN } from "./names.ts";

// Values that several documents share. Patterns have no lookaround, which Go's regular expressions
// do not know, and say [0-9] for \d, which means more than ASCII in some languages.

/** The language a member is written in: `ts`, `go`, `py`, or whatever another implementation calls itself. */
export const Language = z.string().regex(/^[a-z][a-z0-9_-]{0,15}$/);
export type Language = z.infer<typeof Language>;

/** A stream, a group or a member. */
export const Name = z.string().regex(new RegExp(NAME_PATTERN));

/** A contract: `order.v1`. */
export const ContractName = z.string().regex(new RegExp(CONTRACT_PATTERN));

/** RFC 3339, UTC, with milliseconds as we write it; other fractions are read too. */
export const Timestamp = z
  .string()
  .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$/);

/** Nanoseconds since 1970 as the ack reply gives them; beyond a double, so text. */
export const StoreTime = z.string().regex(/^[0-9]{1,19}$/);

/** A stream sequence. */
export const Sequence = z.int().min(1);

/** A number of things. */
export const Count = z.int().min(0);

/** Lower-case hex of a SHA-256. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
