// The procedures as REST: a method and a path for each. A path's parameters are fields of the procedure's input.
import type { z } from "zod";
import { MemberEvent } from "../groups/events.ts";
import type { ProcedurePath } from "../router.ts";

/** One operation. What its path does not name goes into the query (GET, DELETE) or the JSON body (POST, PUT). */
export type Operation = {
  procedure: ProcedurePath;
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below {@link BASE}; `{name}` is a parameter, one whole segment. */
  path: `/${string}`;
  summary: string;
  description?: string;
  /** The field of the input in which the path's parameters lie; at its top by default. */
  inputAt?: "spec";
  /** What a subscription tells, one at a time, as server-sent events. */
  event?: z.ZodType;
};

/** Before every path. */
export const BASE = "/api/v1";

const GROUP = "/streams/{stream}/groups/{group}";
const LETTERS = "/streams/{stream}/dead-letters";
const JOB = "/replay-jobs/{id}";

/** All operations by their id, which is the name that code generators give them. */
export const operations: Readonly<Record<string, Operation>> = {
  listGroups: {
    procedure: "groups.list",
    method: "GET",
    path: "/groups",
    summary: "All groups with their lag",
  },
  getGroup: {
    procedure: "groups.get",
    method: "GET",
    path: GROUP,
    summary: "One group: spec, members, lag",
  },
  applyGroup: {
    procedure: "groups.apply",
    method: "PUT",
    path: GROUP,
    inputAt: "spec",
    summary: "Make a group, or change it",
    description:
      "Makes what the group needs; repeated, it changes nothing. The body is the file that the CLI takes.",
  },
  planGroup: {
    procedure: "groups.plan",
    method: "POST",
    path: `${GROUP}/plan`,
    inputAt: "spec",
    summary: "What applying a group would change",
  },
  applyGroups: {
    procedure: "groups.applyAll",
    method: "POST",
    path: "/groups/apply",
    summary: "Make several groups, or change them",
    description:
      "Refused as a whole before anything is made. Where one fails after that, what was made stays, and the same call goes on: see each `outcome`.",
  },
  planGroups: {
    procedure: "groups.planAll",
    method: "POST",
    path: "/groups/plan",
    summary: "What applying several groups would change",
  },
  deleteGroup: {
    procedure: "groups.delete",
    method: "DELETE",
    path: GROUP,
    summary: "Delete a group",
    description: "`confirm` has to be the group's name. With `dry_run` it only tells what would be lost.",
  },
  pauseGroup: {
    procedure: "groups.pause",
    method: "POST",
    path: `${GROUP}/pause`,
    summary: "Let a group take nothing for now",
  },
  resumeGroup: {
    procedure: "groups.resume",
    method: "POST",
    path: `${GROUP}/resume`,
    summary: "Let a paused group go on",
  },
  resetGroup: {
    procedure: "groups.reset",
    method: "POST",
    path: `${GROUP}/reset`,
    summary: "Set a group to a sequence or a time of its stream",
  },
  listMembers: {
    procedure: "groups.members",
    method: "GET",
    path: "/members",
    summary: "Live members, a page at a time",
    description: "By their latest heartbeats, ordered by stream, group and id.",
  },
  drainMember: {
    procedure: "groups.drainMember",
    method: "POST",
    path: `${GROUP}/members/{member}/drain`,
    summary: "Let one member finish what it has, and leave",
  },
  watchMembers: {
    procedure: "groups.events",
    method: "GET",
    path: "/member-events",
    summary: "Who joins, leaves and crashes, as it happens",
    description:
      "Server-sent events. Who is there when it begins is told first; a line without data comes every 15 s.",
    event: MemberEvent,
  },
  verifyGroup: {
    procedure: "verify",
    method: "GET",
    path: `${GROUP}/account`,
    summary: "The account of a group: what became of every event",
    description: "Reads everything the group ever settled: minutes for millions.",
  },
  publishOrders: {
    procedure: "orders.publish",
    method: "POST",
    path: "/orders",
    summary: "Publish order events",
    description: "An outcome for each, in the order given; one that is refused does not stop the others.",
  },
  getOrder: {
    procedure: "orders.get",
    method: "GET",
    path: `${GROUP}/orders/{id}`,
    summary: "What became of an order in a group",
  },
  listDeadLetters: {
    procedure: "deadLetters.list",
    method: "GET",
    path: LETTERS,
    summary: "Dead letters, a page at a time",
    description: "Every filter that is given has to match; `next_cursor` leads to the next page.",
  },
  getDeadLetter: {
    procedure: "deadLetters.get",
    method: "GET",
    path: `${LETTERS}/{id}`,
    summary: "One dead letter: payload, headers, history",
  },
  replayDeadLetter: {
    procedure: "deadLetters.replay",
    method: "POST",
    path: `${LETTERS}/{id}/replay`,
    summary: "Send a dead letter back to the group that failed it",
    description: "The answer is 200 whatever became of it: see its `outcome`.",
  },
  discardDeadLetter: {
    procedure: "deadLetters.discard",
    method: "POST",
    path: `${LETTERS}/{id}/discard`,
    summary: "Put a dead letter into the archive",
  },
  restoreDeadLetter: {
    procedure: "deadLetters.restore",
    method: "POST",
    path: `${LETTERS}/{id}/restore`,
    summary: "Bring a dead letter back from the archive",
  },
  replayDeadLetters: {
    procedure: "deadLetters.replay",
    method: "POST",
    path: "/streams/{stream}/replays",
    summary: "Replay the dead letters of a filter, or one whose id no path can hold",
  },
  countDeadLetters: {
    procedure: "deadLetters.count",
    method: "GET",
    path: "/streams/{stream}/dead-letter-count",
    summary: "How many dead letters a filter has",
  },
  countByReason: {
    procedure: "deadLetters.totals",
    method: "GET",
    path: "/streams/{stream}/dead-letter-totals",
    summary: "Dead letters by group and reason, as the server counts them",
  },
  listFailures: {
    procedure: "deadLetters.failures",
    method: "GET",
    path: "/streams/{stream}/failures",
    summary: "Dead letters by fault, whatever the language",
  },
  exportDeadLetters: {
    procedure: "deadLetters.export",
    method: "GET",
    path: "/streams/{stream}/dead-letter-export",
    summary: "Dead letters with their bodies, a page at a time",
  },
  createReplayJob: {
    procedure: "jobs.create",
    method: "POST",
    path: "/replay-jobs",
    summary: "Replay the dead letters of a filter in the background",
    description:
      "About those that lie there now. Any control plane works on it, and goes on when one is killed.",
  },
  listReplayJobs: {
    procedure: "jobs.list",
    method: "GET",
    path: "/replay-jobs",
    summary: "The replay jobs, the latest first",
  },
  getReplayJob: {
    procedure: "jobs.get",
    method: "GET",
    path: JOB,
    summary: "One replay job, how far it is",
  },
  listReplayJobOutcomes: {
    procedure: "jobs.outcomes",
    method: "GET",
    path: `${JOB}/outcomes`,
    summary: "What became of each letter of a replay job",
    description: "As far as the server shows it now. Which letters a job has sent is told for 7 days.",
  },
  pauseReplayJob: {
    procedure: "jobs.pause",
    method: "POST",
    path: `${JOB}/pause`,
    summary: "Let a replay job rest",
  },
  resumeReplayJob: {
    procedure: "jobs.resume",
    method: "POST",
    path: `${JOB}/resume`,
    summary: "Let a replay job go on",
  },
  cancelReplayJob: {
    procedure: "jobs.cancel",
    method: "POST",
    path: `${JOB}/cancel`,
    summary: "End a replay job; what is sent stays sent",
  },
  runDoctor: {
    procedure: "doctor",
    method: "GET",
    path: "/doctor",
    summary: "What is not as it should be, with reason and fix",
  },
  listTokens: {
    procedure: "tokens.list",
    method: "GET",
    path: "/tokens",
    summary: "All tokens, without their secrets",
  },
  createToken: {
    procedure: "tokens.create",
    method: "POST",
    path: "/tokens",
    summary: "Make a token; its secret is told this once",
  },
  revokeToken: {
    procedure: "tokens.revoke",
    method: "DELETE",
    path: "/tokens/{id}",
    summary: "End a token",
  },
  listAudit: {
    procedure: "audit.list",
    method: "GET",
    path: "/audit",
    summary: "Who did what, and who was not let, the newest first",
  },
};
