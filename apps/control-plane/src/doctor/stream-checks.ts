// What can be wrong with a stream and with consumers of others on it.
import { overlaps } from "@muster/contracts";
import { kindOf } from "../groups/change.ts";
import { filtersOfConsumer } from "../groups/consumer-config.ts";
import { type Lack, lackOfConsumer, lackOfStream } from "../groups/copies.ts";
import { droppingLimits } from "../groups/silent-loss.ts";
import type { Sign, StreamFacts } from "./finding.ts";

/** A sign, with the consumer that it is about. */
type Told = Sign & { consumer?: string };

/** Every check of a stream. */
export const streamChecks: readonly ((facts: StreamFacts) => Told[])[] = [
  function discardOld({ info: { config } }) {
    const limits = droppingLimits(config);
    if (limits.length === 0) return [];
    return [
      {
        id: "discard-old",
        severity: "error",
        evidence: `discard is ${config.discard}, with ${limits.join(", ")}`,
        reason: "at its limit the stream drops its oldest messages in silence, settled or not",
        fix: "set discard to new, and discard_new_per_subject where the limit is by subject, so that publishers are refused instead",
      },
    ];
  },

  function uncovered({ info: { config, state }, consumers }) {
    if (config.retention !== "workqueue" || state.messages === 0) return [];
    const taken = consumers.flatMap(({ config: consumer }) => filtersOfConsumer(consumer));
    const orphans = (config.subjects ?? []).filter(
      (subject) =>
        !subject.startsWith("muster.replay.") && !taken.some((filter) => overlaps(filter, subject)),
    );
    if (orphans.length === 0) return [];
    return [
      {
        id: "uncovered",
        severity: "warning",
        evidence: `no consumer takes ${orphans.join(", ")}`,
        reason: "on a work queue such messages stay for ever, and are counted in no group's lag",
        fix: "make a group with these subjects, or take them from the stream",
      },
    ];
  },

  function replicas({ info, isCluster }) {
    if (!isCluster || info.config.num_replicas > 1) return [];
    return [
      {
        id: "replicas",
        severity: "warning",
        evidence: `one copy (R1) in cluster ${info.cluster?.name ?? ""}`,
        reason: "when its server is away the stream is too, and with its disk the messages are gone",
        fix: "apply the group with --replicas 3",
      },
    ];
  },

  function copies({ info, deadLetters, consumers }) {
    const ofDead = deadLetters === undefined ? undefined : lackOfStream(deadLetters);
    return [
      ...copiesLacking("the stream", lackOfStream(info)),
      ...copiesLacking("its dead-letter stream", ofDead),
      ...consumers.flatMap((consumer) =>
        copiesLacking("the consumer", lackOfConsumer(consumer, info.config)).map((sign) => ({
          ...sign,
          consumer: consumer.name,
        })),
      ),
    ];
  },

  function deadLettersFull({ deadLetters }) {
    if (deadLetters === undefined || deadLetters.config.max_bytes <= 0) return [];
    const share = deadLetters.state.bytes / deadLetters.config.max_bytes;
    if (share < 0.8) return [];
    return [
      {
        id: "dead-letters-full",
        severity: "error",
        evidence: `the dead-letter stream is ${Math.round(100 * share)} % full`,
        reason: "when it takes no more, members stop: a message is never dropped for want of room",
        fix: "replay or discard dead letters, or raise its max_bytes",
      },
    ];
  },

  function memory({ info: { config } }) {
    if (config.storage !== "memory") return [];
    return [
      {
        id: "memory",
        severity: "warning",
        evidence: "storage is memory",
        reason: "a restart of the server loses every message that it had accepted",
        fix: "make the stream with file storage",
      },
    ];
  },

  function maxDeliver({ info, consumers }) {
    return consumers.flatMap(({ name, config, num_pending, num_ack_pending }) => {
      if ((config.max_deliver ?? -1) <= 0) return [];
      const left = info.state.messages - num_pending - num_ack_pending;
      const isQueue = info.config.retention === "workqueue" && consumers.length === 1;
      return {
        consumer: name,
        id: "max-deliver",
        severity: isQueue && left > 0 ? ("error" as const) : ("warning" as const),
        evidence: `max_deliver is ${config.max_deliver}${isQueue ? `; ${left} messages are in the stream that it will not deliver again` : ""}`,
        reason: "a message past max_deliver is left in the stream: not delivered, not pending, in no count",
        fix: `${whose(config)} set max_deliver to -1; attempts are counted by the members`,
      };
    });
  },

  function backoff({ consumers }) {
    return consumers
      .filter(({ config }) => (config.backoff?.length ?? 0) > 0)
      .map(({ name, config }) => ({
        consumer: name,
        id: "consumer-backoff",
        severity: "warning",
        evidence: `the consumer has backoff, its ack_wait is now ${(config.backoff?.[0] ?? 0) / 1e6} ms`,
        reason: "a consumer's backoff replaces its ack_wait, and does not delay a nak",
        fix: `${whose(config)} remove backoff; delays are the members'`,
      }));
  },

  function deliverGroup({ consumers }) {
    return consumers
      .filter(
        ({ config }) =>
          config.deliver_group !== undefined && config.deliver_group !== "" && !config.deliver_subject,
      )
      .map(({ name, config }) => ({
        consumer: name,
        id: "deliver-group",
        severity: "warning",
        evidence: `a pull consumer with deliver_group ${config.deliver_group}`,
        reason: "the server ignores it: whoever pulls shares the consumer anyway",
        fix: `${whose(config)} remove deliver_group, or make it a push consumer`,
      }));
  },
];

/** The sign of what has fewer copies than it is to have, if it does. */
export function copiesLacking(what: string, lack: Lack | undefined): Sign[] {
  if (lack === undefined) return [];
  return [
    {
      id: "copies",
      severity: lack.hasLeader ? "warning" : "error",
      evidence: `${what} has ${lack.words}`,
      reason: lack.hasLeader
        ? "a server that is lost now may take the stream with it until it is back, also where only a consumer lacks copies"
        : "without a leader nothing is taken and nothing delivered",
      fix: "bring back the servers that are away; after a change of replicas wait until this is gone before a server is stopped",
    },
  ];
}

function whose(config: { metadata?: Record<string, string> }): string {
  return kindOf(config) === undefined ? "with the tool that made it," : "apply the group again;";
}
