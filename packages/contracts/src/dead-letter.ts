import { z } from "zod";
import { Language, Name } from "./values.ts";

/** Why a message was set aside; the last token of its subject. */
export const DeadLetterReason = z.enum([
  "invalid",
  "unknown_contract",
  "permanent",
  "exhausted",
  "crash_loop",
  "conflict",
]);
export type DeadLetterReason = z.infer<typeof DeadLetterReason>;

const digits = z.string().regex(/^[0-9]{1,19}$/);
const text = z.string().max(1024);

/** The headers of a dead letter: our own, and any that came with the message. */
export const DeadLetterHeaders = z
  .looseObject({
    "Nats-Msg-Id": text.describe("The same as Muster-Dlq-Id"),
    "Muster-Dlq-Id": text.describe("dl.<group>.<24 hex of the event id's sha256>.<seq>.<store time>"),
    "Muster-Dlq-Stream": Name,
    "Muster-Dlq-Seq": digits,
    "Muster-Dlq-Store-Time": digits,
    "Muster-Dlq-Subject": text.describe("The original subject, without the replay prefix"),
    "Muster-Dlq-Group": Name,
    "Muster-Dlq-Reason": DeadLetterReason,
    "Muster-Dlq-Error-Class": text,
    "Muster-Dlq-Error": text,
    "Muster-Dlq-Attempts": digits,
    "Muster-Dlq-First-At": text,
    "Muster-Dlq-Last-At": text,
    "Muster-Dlq-Member": Name,
    "Muster-Dlq-Language": Language,
    "Muster-Dlq-Version": text.describe("Of the application"),
    "Muster-Dlq-Contract": text,
    "Muster-Dlq-Event-Id": text,
    "Muster-Dlq-Replay-Number": digits,
    "Muster-Dlq-Fingerprint": z.string().regex(/^[0-9a-f]{16}$/),
    "Muster-Dlq-History": z.string().optional().describe("JSON of the attempts' history"),
  })
  .meta({ title: "dead-letter-headers", description: "The headers of a dead letter" });
export type DeadLetterHeaders = z.infer<typeof DeadLetterHeaders>;
