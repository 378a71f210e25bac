// Which dead letters: the one filter of lists, counts, failures, exports and replays.
import { DeadLetterReason } from "@muster/contracts";
import { z } from "zod";

const text = (max: number) => z.string().min(1).max(max);

/** Every field that is given has to match; none: all dead letters of the stream. */
export const DeadLetterFilter = z.strictObject({
  group: text(60).optional().describe("The group that failed them"),
  reason: DeadLetterReason.optional().describe("Why it is dead"),
  language: text(60).optional().describe("Of the member that gave up: ts, go, py"),
  version: text(1024).optional().describe("Of the application of that member"),
  error: text(256)
    .optional()
    .describe(
      "Part of the error's class or message (its first 256 characters); capital letters do not matter",
    ),
  subject: text(1024)
    .optional()
    .refine(
      (pattern) => pattern === undefined || isPattern(pattern),
      "must be a subject, with * and > as NATS has them",
    )
    .describe("The original subject, with NATS wildcards"),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .describe("Stored as a dead letter at this time or later (a restored one: restored)"),
  until: z.iso.datetime({ offset: true }).optional().describe("Stored as a dead letter before this time"),
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{16}$/, "must be 16 hex characters, as `failures` gives them")
    .optional()
    .describe("Of one failure group, as `failures` gives it"),
});
export type DeadLetterFilter = z.infer<typeof DeadLetterFilter>;

function isPattern(pattern: string): boolean {
  const tokens = pattern.split(".");
  return tokens.every((token, i) => /^[^\s]+$/.test(token) && (token !== ">" || i === tokens.length - 1));
}
