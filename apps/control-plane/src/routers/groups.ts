import { checkName } from "@muster/contracts";
import { z } from "zod";
import { Draining, drainMember } from "../groups/drain-member.ts";
import { Applied, applyGroup } from "../groups/apply.ts";
import { memberEvents } from "../groups/events.ts";
import { getGroup, GroupView } from "../groups/get.ts";
import { applyGroups, GroupsApplied } from "../groups/apply-groups.ts";
import { auditedGroup } from "../access/audited-group.ts";
import { GroupFile, GroupsFile } from "../groups/group-file.ts";
import { GroupLine, listGroups } from "../groups/list.ts";
import { listMembers, MembersPage, MembersQuery } from "../groups/list-members.ts";
import { PausedGroup, pauseGroup } from "../groups/pause.ts";
import { GroupPlan, GroupsPlan, planGroup, planGroups } from "../groups/plan.ts";
import { Removal, removeGroup } from "../groups/remove.ts";
import { Reset, resetGroup } from "../groups/reset.ts";
import { admin, operator, reader, viewer } from "../trpc.ts";

const Name = z.strictObject({ stream: z.string(), group: z.string() });

const DryRun = z.boolean().default(false).describe("Say what it would do, and change nothing");

const ResetTo = z.union([
  z.strictObject({ sequence: z.int().min(1).describe("The first message to get") }),
  z.strictObject({
    time: z.iso
      .datetime({ offset: true })
      .describe("The first message to get is the first stored then or later"),
  }),
]);

/**
 * Groups: make one, say what that would do, look at all, look at one, steer one. A plain object, because
 * `router()` refuses the name `apply` at its top level; inside the app's router it is an ordinary path.
 */
export const groups = {
  apply: admin
    .input(GroupFile)
    .output(Applied)
    .mutation(({ ctx, input: { spec, stream, adopt } }) =>
      applyGroup(ctx.nats.current(), spec, stream, adopt),
    ),

  // It changes nothing, but a spec may be larger than what a URL holds, so it is posted.
  plan: reader
    .input(GroupFile)
    .output(GroupPlan)
    .mutation(({ ctx, input: { spec, stream, adopt } }) =>
      planGroup(ctx.nats.current(), spec, stream, adopt),
    ),

  applyAll: admin
    .input(GroupsFile)
    .output(GroupsApplied)
    .mutation(({ ctx, input }) => {
      const nats = ctx.nats.current();
      const { actor, caller, log } = ctx;
      return applyGroups(nats, input.groups, auditedGroup(nats, { actor, requestId: caller.requestId, log }));
    }),

  planAll: reader
    .input(GroupsFile)
    .output(GroupsPlan)
    .mutation(({ ctx, input }) => planGroups(ctx.nats.current(), input.groups)),

  list: viewer.output(z.array(GroupLine)).query(({ ctx }) => listGroups(ctx.nats.current())),

  members: viewer
    .input(MembersQuery)
    .output(MembersPage)
    .query(({ ctx, input }) => listMembers(ctx.nats.current(), input)),

  get: viewer
    .input(Name)
    .output(GroupView)
    .query(({ ctx, input }) => getGroup(ctx.nats.current(), input.stream, input.group)),

  pause: operator
    .input(Name)
    .output(PausedGroup)
    .mutation(({ ctx, input }) => pauseGroup(ctx.nats.current(), input.stream, input.group, true)),

  resume: operator
    .input(Name)
    .output(PausedGroup)
    .mutation(({ ctx, input }) => pauseGroup(ctx.nats.current(), input.stream, input.group, false)),

  reset: admin
    .input(Name.extend({ to: ResetTo, dry_run: DryRun }))
    .output(Reset)
    .mutation(({ ctx, input: { stream, group, to, dry_run } }) =>
      resetGroup(ctx.nats.current(), stream, group, to, dry_run),
    ),

  delete: admin
    .input(
      Name.extend({
        confirm: z.string().optional().describe("The group's name once more"),
        dry_run: DryRun,
        force: z.boolean().default(false).describe("Also while members live"),
      }),
    )
    .output(Removal)
    .mutation(({ ctx, input: { stream, group, confirm, dry_run, force } }) =>
      removeGroup(ctx.nats.current(), stream, group, { confirm, dryRun: dry_run, force }),
    ),

  /** Server-sent events; what was there when it began is told first. */
  events: viewer
    .input(
      z
        .strictObject({
          stream: z.string().optional().describe("Only this stream"),
          group: z.string().optional().describe("Only the groups of that name"),
        })
        .default({}),
    )
    .subscription(({ ctx, input, signal }) => {
      if (input.stream !== undefined) checkName("stream", input.stream);
      if (input.group !== undefined) checkName("group", input.group);
      return memberEvents(
        ctx.nats.current(),
        input,
        AbortSignal.any([ctx.stopping, ...(signal ? [signal] : [])]),
      );
    }),

  drainMember: operator
    .input(Name.extend({ member: z.string() }))
    .output(Draining)
    .mutation(({ ctx, input }) => drainMember(ctx.nats.current(), input.stream, input.group, input.member)),
};
