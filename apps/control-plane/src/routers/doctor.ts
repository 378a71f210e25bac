import { z } from "zod";
import { examine, Report } from "../doctor/doctor.ts";
import { viewer } from "../trpc.ts";

/** What is not as it should be, with evidence, reason and fix. */
export const doctor = viewer
  .input(
    z.strictObject({ stream: z.string().optional().describe("Only this stream and its groups") }).default({}),
  )
  .output(Report)
  .query(({ ctx, input }) => examine(ctx.nats.current(), input.stream));
