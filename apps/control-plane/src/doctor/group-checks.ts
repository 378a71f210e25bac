// What can be wrong with a group: its settings against what is measured.
import { figuresOf } from "../groups/figures.ts";
import { retrySpanMs } from "../groups/retry-span.ts";
import type { GroupFacts, Sign } from "./finding.ts";

const MANY_PENDING = 1000;
const LONG_WAIT_SECONDS = 300;

/** Every check of a group, in the order of the report. */
export const groupChecks: readonly ((facts: GroupFacts) => Sign | undefined)[] = [
  function drifted({ drift, spec }) {
    if (drift.length === 0) return undefined;
    return {
      id: "drift",
      severity: "error",
      evidence: drift.join("; "),
      reason:
        "stream, consumer or contracts are not as the spec wants them: somebody changed or deleted them",
      fix: `muster groups plan shows the difference; apply the group's file again (${spec.stream}, ${spec.group})`,
    };
  },

  function fewMembers({ spec, members, consumer }) {
    if (members.length >= spec.min_members) return undefined;
    const waiting = consumer?.num_pending ?? 0;
    return {
      id: "few-members",
      severity: members.length === 0 && waiting > 0 ? "error" : "warning",
      evidence: `${members.length} live members, min_members is ${spec.min_members}, ${waiting} messages ready`,
      reason: "with fewer members than planned, one that fails leaves nobody, or too few for the load",
      fix: "start more: muster worker ts|go|py; or lower min_members",
    };
  },

  function lag({ consumer, oldestWaitingSeconds, spec }) {
    const pending = consumer?.num_pending ?? 0;
    if (spec.paused || pending <= MANY_PENDING || oldestWaitingSeconds < LONG_WAIT_SECONDS) return undefined;
    return {
      id: "lag",
      severity: "warning",
      evidence: `${pending} messages ready, the oldest waits for ${Math.round(oldestWaitingSeconds)} s`,
      reason: "more comes in than the group settles",
      fix: "add members or raise concurrency; look at p99 and at what backs off first",
    };
  },

  function backingOff({ consumer, members, deadByReason, spec }) {
    const { backing_off } = figuresOf(consumer, members, deadByReason);
    if (backing_off * 2 <= spec.max_ack_pending) return undefined;
    return {
      id: "backing-off",
      severity: backing_off >= spec.max_ack_pending ? "error" : "warning",
      evidence: `${backing_off} messages wait for a retry, max_ack_pending is ${spec.max_ack_pending}`,
      reason:
        "what backs off counts as pending: at max_ack_pending the server delivers nothing more, good messages included",
      fix: "mend what fails (muster dlq list, last_error of the members), or raise max_ack_pending",
    };
  },

  function manyRedelivered({ consumer }) {
    const delivered = consumer?.delivered.stream_seq ?? 0;
    const redelivered = consumer?.num_redelivered ?? 0;
    if (redelivered < 10 || redelivered * 10 <= delivered) return undefined;
    return {
      id: "redelivered",
      severity: "warning",
      evidence: `${redelivered} messages in flight were delivered before, of ${delivered} delivered`,
      reason: "above a tenth, handlers fail or take longer than the members can keep them in progress",
      fix: "look at the members' last_error and at ack_wait_ms",
    };
  },

  function ackWait({ spec, members }) {
    const p99 = slowest(members);
    if (p99 <= spec.ack_wait_ms) return undefined;
    return {
      id: "ack-wait",
      severity: "warning",
      evidence: `p99 of handling is ${Math.round(p99)} ms, ack_wait_ms is ${spec.ack_wait_ms}`,
      reason:
        "such messages live on extensions: a member that stalls for ack_wait loses them to another while it works",
      fix: `set ack_wait_ms above ${Math.round(p99 * 2)}`,
    };
  },

  function deadline({ spec, members }) {
    const p99 = slowest(members);
    if (p99 <= spec.timeout_ms * 0.8) return undefined;
    return {
      id: "deadline",
      severity: "warning",
      evidence: `p99 of handling is ${Math.round(p99)} ms, timeout_ms is ${spec.timeout_ms}`,
      reason:
        "handlers are close to their deadline; past it the attempt counts as failed though its effect may come",
      fix: "raise timeout_ms, or make the handler quicker",
    };
  },

  function maxAge({ spec, stream }) {
    const maxAgeMs = (stream?.config.max_age ?? 0) / 1e6;
    const spanMs = retrySpanMs(spec);
    if (maxAgeMs === 0 || maxAgeMs > spanMs) return undefined;
    return {
      id: "max-age",
      severity: "error",
      evidence: `the stream drops messages after ${maxAgeMs} ms, their retries may take ${spanMs} ms`,
      reason: "a message that still backs off is dropped by the server: neither done nor dead",
      fix: `set the stream's max_age above ${2 * spanMs} ms, or shorten the retries`,
    };
  },

  function pushShare({ spec }) {
    const fair = 2 * spec.concurrency * Math.max(1, spec.min_members);
    if (spec.delivery.mode !== "push" || spec.max_ack_pending <= fair) return undefined;
    return {
      id: "push-share",
      severity: "warning",
      evidence: `max_ack_pending is ${spec.max_ack_pending}, 2 × concurrency × min_members is ${fair}`,
      reason: "in mode push nothing else bounds a member: one that is stuck can hold all of them",
      fix: `set max_ack_pending to ${fair}, or use mode pull`,
    };
  },

  function name({ spec }) {
    if (!/^(g|grp|group|test|foo|consumer|worker|workers|queue|default|my-?\w*)[-_]?\d*$/i.test(spec.group))
      return undefined;
    return {
      id: "name",
      severity: "note",
      evidence: `the group is called ${spec.group}`,
      reason: "a name that says no purpose tells the one on call nothing",
      fix: "name it by what it does and where, for example billing-prod; that is a new group",
    };
  },
];

function slowest(members: GroupFacts["members"]): number {
  return Math.max(0, ...members.map(({ p99_ms = 0 }) => p99_ms));
}
