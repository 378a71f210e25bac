import { headerText, MusterError } from "@muster/contracts";

/**
 * A message that was not accepted, or of which that is not known. `code` says which:
 *
 * - `invalid`: the value does not match the contract, the text says where
 * - `bad_subject`, `bad_header`: cannot be sent so
 * - `too_large`: over the server's max_payload or the stream's max_msg_size
 * - `no_stream`: no stream takes the subject
 * - `stream_full`: a limit of the stream or of the account is reached
 * - `refused`: the server said no for another reason, see `errorCode`
 * - `unreachable`: no connection or no answer; **it may have been accepted**. Publish the same again with the
 *   same event id
 * - `closed`: the publisher was drained
 */
export class PublishError extends MusterError {
  /** Of the message, also where it was made by the publisher. */
  readonly eventId: string;
  /** JetStream's `err_code`, where the server answered with one. */
  readonly errorCode: number | undefined;

  constructor(
    code: string,
    message: { subject: string; eventId: string },
    why: string,
    options: ErrorOptions & { errorCode?: number } = {},
  ) {
    const { errorCode, ...rest } = options;
    super(code, `publish of ${headerText(message.eventId)} to ${headerText(message.subject)}: ${why}`, rest);
    this.eventId = message.eventId;
    this.errorCode = errorCode;
  }
}

const tooLarge = 10054;
/** Limits of the stream (10077), and of storage, memory and the account. */
const full = [10077, 10047, 10028, 10023, 10002];
/** No leader, or the same message is being stored at this moment: it may be in the stream a moment later. */
const temporary = [10008, 10009, 10158, 10167];

/** The error for what a stream answered. */
export function refusal(
  message: { subject: string; eventId: string },
  { errorCode, error }: { errorCode: number; error: string },
): PublishError {
  const why = `${error} (err_code ${errorCode})`;
  if (errorCode === tooLarge) {
    return new PublishError("too_large", message, `over the stream's max_msg_size: ${why}`, { errorCode });
  }
  if (full.includes(errorCode)) {
    return new PublishError("stream_full", message, why, { errorCode });
  }
  if (temporary.includes(errorCode)) {
    return unknownOutcome(message, why, { errorCode });
  }
  return new PublishError("refused", message, why, { errorCode });
}

/** The error where nothing is known of the message. */
export function unknownOutcome(
  message: { subject: string; eventId: string },
  why: string,
  options: ErrorOptions & { errorCode?: number } = {},
): PublishError {
  const advice = "it may have been accepted: publish the same again with the same event id";
  return new PublishError("unreachable", message, `${why}; ${advice}`, options);
}

/** The error where the message has not left the process. */
export function notSent(
  message: { subject: string; eventId: string },
  why: string,
  options: ErrorOptions = {},
): PublishError {
  return new PublishError("unreachable", message, `${why}; it was not sent: publish it again`, options);
}
