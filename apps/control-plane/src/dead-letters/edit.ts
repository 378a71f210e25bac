// A dead letter as an operator has mended it: another payload, other headers of the user's.
import { sha256Hex } from "@muster/contracts";
import { z } from "zod";
import type { DeadLetter } from "./read.ts";

/** The one name of ours that may be mended: which contract the payload is of. */
const CONTRACT = "Muster-Contract";

// What every client can send (see the protocol's section 10).
const HeaderName = z
  .string()
  .max(200)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "must be a header name: a token of HTTP")
  .refine(
    (name) => name === CONTRACT || !/^(nats|muster)-/i.test(name),
    `may not begin Nats- or Muster-, but for ${CONTRACT}; another event id is as_event_id`,
  );

const HeaderValue = z
  .string()
  .regex(
    /^[!-~]([ -~]{0,8190}[!-~])?$/,
    "must be 1 to 8192 printable ASCII characters, no space at either end; null takes the header away",
  );

/** What is changed; at least one of them. */
export const Edit = z
  .strictObject({
    /** The new payload, as text or as bytes. */
    payload_text: z.string().optional(),
    payload_base64: z.base64().optional(),
    /** Headers that are set, or taken away by null; the others stay. */
    headers: z.record(HeaderName, HeaderValue.nullable()).optional(),
  })
  .refine(
    ({ payload_text, payload_base64, headers }) =>
      [payload_text, payload_base64, headers].some((part) => part !== undefined),
    "must change something: payload_text, payload_base64 or headers",
  )
  .refine(
    ({ payload_text, payload_base64 }) => payload_text === undefined || payload_base64 === undefined,
    "takes payload_text or payload_base64, not both",
  );
export type Edit = z.infer<typeof Edit>;

/** The letter with the edit in it; everything that says where it came from stays. */
export function withEdit(letter: DeadLetter, edit: Edit): DeadLetter {
  const headers = new Map(Object.entries(letter.headers));
  for (const [name, value] of Object.entries(edit.headers ?? {})) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  // fromEntries defines each property: a header called __proto__ is an ordinary one.
  return { ...letter, headers: Object.fromEntries(headers), body: bodyOf(edit) ?? letter.body };
}

/** Tells one edit of a letter from another: a replay that did not finish goes on only as it was begun. */
export function fingerprintOfEdit({ body, headers }: DeadLetter): string {
  const names = Object.keys(headers).toSorted();
  return sha256Hex(JSON.stringify([sha256Hex(body), names.map((name) => [name, headers[name]])]));
}

function bodyOf({ payload_text, payload_base64 }: Edit): Uint8Array | undefined {
  if (payload_text !== undefined) return new TextEncoder().encode(payload_text);
  return payload_base64 === undefined ? undefined : new Uint8Array(Buffer.from(payload_base64, "base64"));
}
