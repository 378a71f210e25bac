export {
  type Account,
  type AccountEntries,
  closeAccount,
  type LetterEntry,
  type RowRevision,
} from "./account.ts";
export {
  type Admission,
  type AttemptFailure,
  type AttemptStart,
  admit,
  lastError,
  noteStart,
  recordFailure,
  recordSnooze,
} from "./attempts.ts";
export { AttemptEntry, AttemptsRecord, MAX_HISTORY } from "./attempts-record.ts";
export { type Backoff, backoffDelayMs } from "./backoff.ts";
export { type BodyCode, MAX_DEPTH, type ParsedBody, parseBody } from "./body.ts";
export { ATTEMPTS_TTL_MS, buckets, MEMBER_TTL_MS } from "./buckets.ts";
export { DeadLetterHeaders, DeadLetterReason } from "./dead-letter.ts";
export { MusterError } from "./errors.ts";
export { overlaps } from "./filters.ts";
export { GroupSpec, type GroupSpecInput } from "./group-spec.ts";
export { sha256Hex } from "./hash.ts";
export {
  type DeadLetterFacts,
  deadLetterHeaders,
  MAX_HEADER_BYTES,
  replayHeaders,
  replayNumberOf,
} from "./headers.ts";
export { deadLetterId, eventIdOf, type Headers, replayMsgId } from "./ids.ts";
export { attemptsKey, groupKey, ledgerKey, memberKey } from "./keys.ts";
export { LedgerRow, MAX_SEQUENCES } from "./ledger-row.ts";
export { type Authenticators, isLoginRefusal, loginOptions } from "./login.ts";
export { type FileLogin, fileLogin, type LoginFiles, readLoginFiles } from "./login-files.ts";
export { MemberRecord } from "./member-record.ts";
export { checkName, checkStream, checkSubject, isName, isStream, isSubject } from "./names.ts";
export {
  type OrderEvent,
  OrderV1,
  orderEventId,
  orderEvents,
  orderSubject,
} from "./order.ts";
export { type AckReply, parseAckReply } from "./reply.ts";
export {
  deadRow,
  decideRow,
  doneRow,
  joinRow,
  type MessageIdentity,
  type RowDecision,
  type RowFacts,
  rowKnows,
} from "./row.ts";
export {
  contractSchemas,
  type JsonSchema,
  jsonSchemaOf,
  protocolSchemas,
  schemaName,
} from "./schemas.ts";
export { hasLogin, isServerUrl, type ServerLogin, splitServerUrls } from "./server-url.ts";
export { specProblems } from "./spec-problems.ts";
export {
  archiveFilter,
  archiveSubject,
  dlqFilter,
  dlqStream,
  dlqSubject,
  memberSubject,
  pushSubject,
  replayFilter,
  replaySubject,
  stripReplayPrefix,
} from "./subjects.ts";
export { fingerprint, headerText, MAX_TEXT } from "./texts.ts";
export { Language } from "./values.ts";
export { createVerdict, type Verdict, type VerdictCode } from "./verdict.ts";
