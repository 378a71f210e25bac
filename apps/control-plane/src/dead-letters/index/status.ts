import { z } from "zod";

/**
 * How far the index is. `ready`: answers are those of the stream as it was at `as_of`. `building`: what is answered
 * comes from the oldest `done` of `of` messages. `behind`: the latest ones are missing, or letters go faster than the
 * index looks; it was complete and right at `as_of`.
 */
export const IndexStatus = z
  .discriminatedUnion("state", [
    z.object({ state: z.literal("ready"), as_of: z.string() }),
    z.object({ state: z.literal("building"), done: z.number(), of: z.number() }),
    z.object({ state: z.literal("behind"), as_of: z.string() }),
  ])
  .describe(
    "How far the index is. ready: answers are of the stream as it was at as_of; building: of the oldest done of its messages; behind: the latest ones are missing, or some are counted that went just now",
  )
  .meta({ id: "IndexStatus" });
export type IndexStatus = z.infer<typeof IndexStatus>;
