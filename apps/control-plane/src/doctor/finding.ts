// What the doctor finds, and what it looks at.
import type { ConsumerInfo, StreamInfo } from "@nats-io/jetstream";
import type { Group } from "../groups/read-groups.ts";

/** `error`: work is lost, stuck or about to be; `warning`: it will hurt; `note`: worth knowing. */
export type Severity = "error" | "warning" | "note";

/** One thing that is not as it should be. */
export type Finding = {
  /** Stable: what scripts and runbooks name. */
  id: string;
  severity: Severity;
  stream: string;
  /** Group or consumer; absent where it is the stream's. */
  group?: string;
  /** What was measured. */
  evidence: string;
  /** Why that is bad. */
  reason: string;
  fix: string;
};

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
