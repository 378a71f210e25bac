import { z } from "zod";
import { applyGroup } from "../groups/apply.ts";
import { getGroup } from "../groups/get.ts";
import { GroupFile } from "../groups/group-file.ts";
import { listGroups } from "../groups/list.ts";
import { planGroup } from "../groups/plan.ts";
import { procedure } from "../trpc.ts";

/**
 * Groups: make one, say what that would do, look at all, look at one. A plain object, because
 * `router()` refuses the name `apply` at its top level; inside the app's router it is an ordinary path.
 */
export const groups = {
  apply: procedure
    .input(GroupFile)
    .mutation(({ ctx, input }) => applyGroup(ctx.nats.current(), input.spec, input.stream)),

  // It changes nothing, but a spec may be larger than what a URL holds, so it is posted.
  plan: procedure
    .input(GroupFile)
    .mutation(({ ctx, input }) => planGroup(ctx.nats.current(), input.spec, input.stream)),

  list: procedure.query(({ ctx }) => listGroups(ctx.nats.current())),

  get: procedure
    .input(z.strictObject({ stream: z.string(), group: z.string() }))
    .query(({ ctx, input }) => getGroup(ctx.nats.current(), input.stream, input.group)),
};
