// What can be wrong with the members: what they say of themselves against what the server counts.
import type { GroupFacts, Sign } from "./finding.ts";

/** Every check of a group's members. */
export const memberChecks: readonly ((facts: GroupFacts) => Sign[])[] = [
  function isDegraded({ members }) {
    return members
      .filter(({ degraded }) => degraded)
      .map(({ id, last_error = "it does not say why" }) => ({
        id: "degraded",
        severity: "error",
        evidence: `member ${id} takes no messages: ${last_error}`,
        reason: "its ledger, records or dead letters are out of reach, or its breaker is open",
        fix: "bring back what it needs; it goes on by itself",
      }));
  },

  function stuck({ members, spec, nowMs }) {
    return members.flatMap(({ id, oldest }) => {
      const heldMs = oldest === undefined ? 0 : nowMs - Date.parse(oldest.since);
      if (oldest === undefined || heldMs <= 2 * spec.timeout_ms) return [];
      return {
        id: "stuck",
        severity: "error" as const,
        evidence: `member ${id} holds message ${oldest.sequence} for ${Math.round(heldMs / 1000)} s, timeout_ms is ${spec.timeout_ms}`,
        reason: "a handler that ignores its signal keeps its slot for ever",
        fix: `muster members drain ${spec.stream} ${spec.group} ${id}; then make the handler heed the signal`,
      };
    });
  },

  function takesNothing({ members, consumer, spec }) {
    const waiting = consumer?.num_waiting ?? 0;
    const running = members.filter(({ state, degraded }) => state === "running" && !degraded);
    const held = members.reduce((sum, member) => sum + member.held, 0);
    const isStill = consumer !== undefined && consumer.num_pending > 0 && waiting === 0 && held === 0;
    if (spec.paused || spec.delivery.mode === "push" || running.length === 0 || !isStill) return [];
    return [
      {
        id: "takes-nothing",
        severity: "warning",
        evidence: `${consumer.num_pending} messages ready, ${running.map(({ id }) => id).join(", ")} running, no pull request at the server`,
        reason: "it beats but takes nothing; look again in a few seconds, heartbeats are that old",
        fix: "look at its log; a member that does not recover by itself has to be restarted",
      },
    ];
  },

  function unannounced({ members, consumer }) {
    if (consumer === undefined || members.length > 0 || consumer.num_waiting + consumer.num_ack_pending === 0)
      return [];
    if (consumer.num_waiting === 0 && !consumer.push_bound) return [];
    return [
      {
        id: "unannounced",
        severity: "warning",
        evidence: `${consumer.num_waiting} pull requests and ${consumer.num_ack_pending} messages in flight, and no member has a record`,
        reason: "somebody takes messages who is no member: without attempts record, ledger and dead letters",
        fix: "find the client (nats server report connections), or wait: members that were cut off announce themselves again",
      },
    ];
  },

  function restart({ members }) {
    return members
      .filter(({ restart_needed }) => restart_needed.length > 0)
      .map(({ id, restart_needed }) => ({
        id: "restart",
        severity: "warning",
        evidence: `member ${id} still runs with another ${restart_needed.join(" and ")}`,
        reason: "mode and ledger change only with a restart",
        fix: "restart it; a drain loses nothing",
      }));
  },

  function severalVersions({ members }) {
    const byLanguage = Map.groupBy(members, ({ language }) => language);
    return [...byLanguage].flatMap(([language, ofLanguage]) => {
      const versions = [...new Set(ofLanguage.map(({ core_version }) => core_version))].sort();
      if (versions.length < 2) return [];
      return {
        id: "versions",
        severity: "note" as const,
        evidence: `the ${language} members run core versions ${versions.join(", ")}`,
        reason: "fine while a deployment rolls, a mistake when it stays",
        fix: "deploy one version everywhere",
      };
    });
  },
];
