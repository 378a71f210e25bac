import { z } from "zod";
import { ledgersOf, viewer } from "../trpc.ts";
import { Verified, verifyGroup } from "../verify/verify.ts";

/** The account of a running group. */
export const verify = viewer
  .input(z.strictObject({ stream: z.string(), group: z.string() }))
  .output(Verified)
  .query(({ ctx, input }) => verifyGroup(ctx.nats.current(), ledgersOf(ctx), input));
