import { z } from "zod";
import { applyGroup } from "../groups/apply.ts";
import { getGroup } from "../groups/get.ts";
import { listGroups } from "../groups/list.ts";
import { planGroup } from "../groups/plan.ts";
import { SpecInput } from "../groups/spec-input.ts";
import { procedure } from "../trpc.ts";

const StreamInput = z.strictObject({
  retention: z.enum(["workqueue", "limits", "interest"]).optional(),
  max_age_ms: z
    .int()
    .min(0)
    .max(10 * 365 * 86_400_000)
    .optional(),
  replicas: z.int().min(1).max(5).optional(),
  storage: z.enum(["file", "memory"]).optional(),
});

const GroupInput = z.strictObject({ spec: SpecInput, stream: StreamInput.default({}) });

/**
 * Groups: make one, say what that would do, look at all, look at one. A plain object, because
 * `router()` refuses the name `apply` at its top level; inside the app's router it is an ordinary path.
 */
export const groups = {
  apply: procedure
    .input(GroupInput)
    .mutation(({ ctx, input }) => applyGroup(ctx.nats.current(), input.spec, input.stream)),

  // It changes nothing, but a spec may be larger than what a URL holds, so it is posted.
  plan: procedure
    .input(GroupInput)
    .mutation(({ ctx, input }) => planGroup(ctx.nats.current(), input.spec, input.stream)),

  list: procedure.query(({ ctx }) => listGroups(ctx.nats.current())),

  get: procedure
    .input(z.strictObject({ stream: z.string(), group: z.string() }))
    .query(({ ctx, input }) => getGroup(ctx.nats.current(), input.stream, input.group)),
};
