// What the doctor finds, and what it looks at.
import type { ConsumerInfo, StreamInfo } from "@nats-io/jetstream";
import { z } from "zod";
import type { Group } from "../groups/read-groups.ts";

/** `error`: work is lost, stuck or about to be; `warning`: it will hurt; `note`: worth knowing. */
const Severity = z.enum(["error", "warning", "note"]);
export type Severity = z.infer<typeof Severity>;

/** One thing that is not as it should be. */
export const Finding = z
  .strictObject({
    id: z.string().describe("Stable: what scripts and runbooks name"),
    severity: Severity,
    stream: z.string(),
    group: z.string().optional().describe("Group or consumer; absent where it is the stream's"),
    evidence: z.string().describe("What was measured"),
    reason: z.string().describe("Why that is bad"),
    fix: z.string(),
  })
  .meta({ id: "Finding" });
export type Finding = z.infer<typeof Finding>;

/** A finding before it is known where. */
export type Sign = Omit<Finding, "stream" | "group">;

/** A group with all that its checks look at. */
export type GroupFacts = Group & {
  stream: StreamInfo | undefined;
  /** Where stream, consumer or contracts differ from the spec, in words; a refusal of `plan` is one too. */
  drift: string[];
  oldestWaitingSeconds: number;
  nowMs: number;
};

/** A stream with its consumers, those of others included. */
export type StreamFacts = {
  info: StreamInfo;
  deadLetters: StreamInfo | undefined;
  consumers: ConsumerInfo[];
  groups: Group[];
  /** Whether the server is one of a cluster. */
  isCluster: boolean;
};
