import type { MsgHdrs } from "@nats-io/transport-node";
import { headerText, isSubject, type Verdict } from "@muster/contracts";
import { PublishError } from "./publish-error.ts";
import type { OutgoingMessage } from "./publish-item.ts";
import { inject, isTracing } from "./trace.ts";

/** What may be said of one message. */
export interface PublishOptions {
  /**
   * The event's business identity, `<order id>.<event>` or the like: publishing it again is the same event.
   * Default: a new UUIDv7.
   */
  readonly eventId?: string;
  /**
   * By which the stream drops a second copy inside its dedupe window (2 minutes by default); default: the event
   * id. A corrected version of a dead event needs another one. false: none, every copy is stored.
   */
  readonly msgId?: string | false;
  /** Further headers, printable ASCII; a `traceparent` here is kept. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Another name for `Muster-Contract`; false: none, the group takes its default. */
  readonly contract?: string | false;
}

/** What all messages of a publisher must keep to. */
export interface MessageRules {
  /** Name of the contract. */
  readonly contract: string;
  readonly verdict: (body: Uint8Array) => Verdict;
  /** Bytes of headers and body the server takes. */
  readonly maxPayload: () => number;
}

type Ids = Pick<OutgoingMessage, "subject" | "eventId">;

const printable = /^[ -~]*$/;
const headerName = /^[!-9;-~]+$/;
/** Said by an option, or by Muster alone. */
const reserved = /^(muster-(event-id$|contract$|dlq-|original-|replay-)|nats-msg-id$)/i;

/**
 * The message as it goes out. Throws a PublishError: `bad_subject`, `bad_header`, `invalid` or `too_large`, the
 * first that applies.
 */
export function outgoing(
  ids: Ids,
  value: unknown,
  options: PublishOptions,
  rules: MessageRules,
): OutgoingMessage {
  if (!isSubject(ids.subject)) {
    throw new PublishError("bad_subject", ids, "a subject is made of printable tokens without wildcards");
  }
  const head = headerBlock(ids, options, rules.contract);
  const body = encodeBody(ids, value);
  const verdict = rules.verdict(body);
  if (!verdict.ok) {
    throw new PublishError("invalid", ids, verdict.error);
  }
  const limit = rules.maxPayload();
  if (head.length + body.length > limit) {
    const sizes = `${body.length} bytes and ${head.length} of headers`;
    throw new PublishError("too_large", ids, `${sizes} are over the server's max_payload of ${limit}`);
  }
  // The client asks its headers only for this; its own class costs more than the rest of a publish.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const headers = { encode: () => Buffer.from(head) } as unknown as MsgHdrs;
  return { ...ids, headers, body };
}

function encodeBody(ids: Ids, value: unknown): Uint8Array {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text === undefined) {
    throw new PublishError("invalid", ids, "the value cannot be written as JSON", { cause });
  }
  // Of short texts a tenth of the cost of a TextEncoder.
  return Buffer.from(text);
}

function headerBlock(ids: Ids, options: PublishOptions, ownContract: string): string {
  const { contract = ownContract, msgId = ids.eventId, headers } = options;
  checkId(ids, "Muster-Event-Id", ids.eventId);
  let block = `NATS/1.0\r\nMuster-Event-Id: ${ids.eventId}\r\n`;
  if (contract !== false) {
    checkId(ids, "Muster-Contract", contract);
    block += `Muster-Contract: ${contract}\r\n`;
  }
  if (msgId !== false) {
    checkId(ids, "Nats-Msg-Id", msgId);
    block += `Nats-Msg-Id: ${msgId}\r\n`;
  }
  if (headers !== undefined) {
    checkHeaders(ids, headers);
  }
  if (headers !== undefined || isTracing()) {
    const all = { ...headers };
    inject(all);
    for (const name of Object.keys(all)) {
      block += `${name}: ${all[name]}\r\n`;
    }
  }
  return `${block}\r\n`;
}

// A reader trims it, and takes an empty one for none: it would be another id there.
function checkId(ids: Ids, name: string, value: string): void {
  if (value === "" || value.startsWith(" ") || value.endsWith(" ") || !printable.test(value)) {
    throw badHeader(ids, name, value, "is empty, not printable ASCII, or begins or ends with a space");
  }
}

function checkHeaders(ids: Ids, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name)) {
      throw new PublishError("bad_header", ids, `${headerText(JSON.stringify(name), 200)} is no header name`);
    }
    if (reserved.test(name)) {
      throw new PublishError("bad_header", ids, `header ${name} is set by an option or by Muster itself`);
    }
    if (typeof value !== "string" || !printable.test(value)) {
      throw badHeader(ids, name, value, "is not printable ASCII");
    }
  }
}

function badHeader(ids: Ids, name: string, value: string, why: string): PublishError {
  return new PublishError(
    "bad_header",
    ids,
    `the value of ${name} ${why}: ${headerText(JSON.stringify(value), 200)}`,
  );
}
