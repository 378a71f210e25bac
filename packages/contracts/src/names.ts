import { MusterError } from "./errors.ts";

/** Streams, groups and members: one token that is safe in subjects, keys and consumer names. */
export const NAME_PATTERN = "^[A-Za-z0-9_-]{1,60}$";

/** Contracts: names joined by dots, because a contract is a key of its bucket: `order.v1`. */
export const CONTRACT_PATTERN = "^[A-Za-z0-9_-]{1,60}([.][A-Za-z0-9_-]{1,60}){0,4}$";

/** Subjects a group takes: printable tokens, or `*` for one and a last `>` for the rest. */
export const SUBJECT_FILTER_PATTERN = "^([!-)+,/-=?-~-]+|[*])([.]([!-)+,/-=?-~-]+|[*]))*([.]>)?$";

const nameRe = new RegExp(NAME_PATTERN);
const subjectRe = /^[!-)+,/-=?-~-]+([.][!-)+,/-=?-~-]+)*$/;

/** Whether `s` may name a stream, a group or a member. */
export function isName(s: string): boolean {
  return nameRe.test(s);
}

/** Gives the name back. `what` it names is told in the error, code `bad_name`. */
export function checkName(what: string, s: string): string {
  if (isName(s)) return s;
  throw new MusterError("bad_name", `${what} ${JSON.stringify(s)} does not match ${NAME_PATTERN}`);
}

/** Whether `s` may name a stream: `core` is taken, it stands for core NATS queue groups. */
export function isStream(s: string): boolean {
  return isName(s) && s !== "core";
}

/** As {@link checkName}, for the name of a stream. */
export function checkStream(s: string): string {
  if (isStream(s)) return s;
  if (s !== "core") return checkName("stream", s);
  throw new MusterError("bad_name", "stream core is reserved for core NATS queue groups");
}

/**
 * Whether one can publish to `s`: tokens of printable ASCII without `*` and `>`.
 * The server takes a subject with a `*` in it and stores it; nobody could filter for it afterwards.
 */
export function isSubject(s: string): boolean {
  return subjectRe.test(s);
}

/** Gives the subject back, or throws `bad_name`. */
export function checkSubject(s: string): string {
  if (isSubject(s)) return s;
  throw new MusterError(
    "bad_name",
    `subject ${JSON.stringify(s)} is not made of printable tokens without wildcards`,
  );
}
