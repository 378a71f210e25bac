// The errors a caller may meet: one code each, stable, with the HTTP answer it becomes.
import { MusterError } from "@muster/contracts";
import { JetStreamApiError } from "@nats-io/jetstream";
import {
  ClosedConnectionError,
  DrainingConnectionError,
  errors as natsErrors,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from "@nats-io/nats-core";
import { TRPCError } from "@trpc/server";

type TrpcCode = ConstructorParameters<typeof TRPCError>[0]["code"];

/** Codes whose answer is not "bad request". The code is the contract, the text may change. */
const answers: Record<string, TrpcCode> = {
  nats_down: "SERVICE_UNAVAILABLE",
  nats_error: "BAD_GATEWAY",
  index_building: "SERVICE_UNAVAILABLE",
  database_down: "SERVICE_UNAVAILABLE",
  database_refused: "BAD_GATEWAY",
  ledger_schema: "PRECONDITION_FAILED",
  no_database: "PRECONDITION_FAILED",
  no_ledger: "PRECONDITION_FAILED",
  unauthorized: "UNAUTHORIZED",
  forbidden: "FORBIDDEN",
  too_many_requests: "TOO_MANY_REQUESTS",
  too_many_streams: "TOO_MANY_REQUESTS",
  no_audit: "SERVICE_UNAVAILABLE",
  payload_too_large: "PAYLOAD_TOO_LARGE",
  method_not_supported: "METHOD_NOT_SUPPORTED",
  no_path: "NOT_FOUND",
  not_found: "NOT_FOUND",
  no_group: "NOT_FOUND",
  no_stream: "NOT_FOUND",
  no_member: "NOT_FOUND",
  no_answer: "GATEWAY_TIMEOUT",
  changed_meanwhile: "CONFLICT",
  held: "CONFLICT",
  begun_replay: "CONFLICT",
  job_ended: "CONFLICT",
  too_many_jobs: "PRECONDITION_FAILED",
  no_canary: "PRECONDITION_FAILED",
  stream_refused: "BAD_GATEWAY",
  not_confirmed: "PRECONDITION_FAILED",
  has_members: "PRECONDITION_FAILED",
  not_paused: "PRECONDITION_FAILED",
  not_settled: "PRECONDITION_FAILED",
  not_on_work_queue: "PRECONDITION_FAILED",
  needs_new_consumer: "PRECONDITION_FAILED",
  needs_new_stream: "PRECONDITION_FAILED",
  overlapping_filters: "PRECONDITION_FAILED",
  skips_messages: "PRECONDITION_FAILED",
  silent_loss: "PRECONDITION_FAILED",
  breaking_contract: "PRECONDITION_FAILED",
  foreign: "PRECONDITION_FAILED",
  bad_record: "INTERNAL_SERVER_ERROR",
};

/** A `MusterError` with a stable code; `message` says what failed with which names, and what to do. */
export function fail(code: string, message: string, cause?: unknown): MusterError {
  return new MusterError(code, message, cause === undefined ? undefined : { cause });
}

/** Gives an error of the NATS client its code, so that callers branch on codes alone. */
export function asMusterError(error: unknown): MusterError | undefined {
  if (error instanceof MusterError) return error;
  if (isUnreachable(error))
    return fail("nats_down", "NATS or its JetStream does not answer; try again when it is back", error);
  if (error instanceof JetStreamApiError)
    return fail("nats_error", `NATS refused: ${error.message} (${error.code})`, error);
  return undefined;
}

/** The tRPC error for what a procedure threw. What is not ours becomes "internal error", and nothing of it leaks. */
export function toTrpcError(error: TRPCError): TRPCError {
  const ours = asMusterError(error.cause ?? error);
  if (ours !== undefined) {
    return new TRPCError({ code: answers[ours.code] ?? "BAD_REQUEST", message: ours.message, cause: ours });
  }
  return error;
}

function isUnreachable(error: unknown): boolean {
  // Without a cause: cancelled, because the connection was closed.
  if (error instanceof RequestError)
    return error.isNoResponders() || error.cause === undefined || error.cause instanceof TimeoutError;
  return (
    error instanceof TimeoutError ||
    error instanceof NoRespondersError ||
    error instanceof ClosedConnectionError ||
    error instanceof DrainingConnectionError ||
    error instanceof natsErrors.ConnectionError
  );
}
