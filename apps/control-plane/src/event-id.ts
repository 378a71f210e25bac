import { z } from "zod";

/** An event id as a caller may give it: what survives as a header unchanged. */
export const EventId = z
  .string()
  .regex(
    /^[!-~]([ -~]{0,1022}[!-~])?$/,
    "must be 1 to 1024 printable ASCII characters, no space at either end",
  );
