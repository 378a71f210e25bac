// Why a stream that is there cannot be the source of groups.
import type { StreamInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import { kindOf, ns } from "./change.ts";
import { droppingLimits } from "./silent-loss.ts";
import type { Source } from "./stream.ts";
import { isCovered } from "./subjects.ts";

/** Throws when the stream that is there cannot serve; says nothing when there is none. */
export function checkStreamFits(source: Source, found: StreamInfo | undefined): void {
  if (found === undefined) return;
  const { stream, options, adopt } = source;
  const { config } = found;
  const kind = kindOf(config);
  if (kind !== undefined && kind !== "source")
    throw fail("foreign", `stream ${stream} is Muster's own ${kind}, no source of work`);
  for (const [field, given, is] of [
    ["retention", options.retention, config.retention],
    ["storage", options.storage, config.storage],
  ]) {
    if (given !== undefined && given !== is) {
      throw fail("needs_new_stream", `stream ${stream} has ${field} ${is}; ${given} needs a new stream`);
    }
  }
  const fixed = fixedProblems(found);
  if (fixed.length > 0)
    throw fail(
      "needs_new_stream",
      `stream ${stream} cannot be a source of work: ${fixed.join("; ")}. No update changes that: use a stream of another name, or give the new one this one as its source`,
    );
  if (kind === undefined && !adopt) checkForeign(source, found);
}

/** What no update changes, and makes a stream useless for messages of ours. */
export function fixedProblems({ config }: StreamInfo): string[] {
  // A bucket keeps the latest of each key: refusing new ones, it would be broken for who uses it.
  const theirs = config.subjects?.find((subject) => subject.startsWith("$"));
  return [
    ...(theirs === undefined ? [] : [`it holds ${theirs}, as buckets and the server do`]),
    ...(config.sealed ? ["it is sealed"] : []),
    ...(config.mirror === undefined ? [] : [`it mirrors ${config.mirror.name}`]),
  ];
}

function checkForeign({ stream, needed, options }: Source, { config }: StreamInfo): void {
  const problems = needed
    .filter((subject) => !isCovered(config.subjects, subject))
    .map((subject) => `its subjects do not cover ${subject}`);
  if (config.no_ack) problems.push("it sends no acks to publishers (no_ack)");
  if (options.max_age_ms !== undefined && config.max_age !== ns(options.max_age_ms))
    problems.push("its max_age is another");
  if (options.replicas !== undefined && config.num_replicas !== options.replicas)
    problems.push("it has another number of replicas");
  const wayOut = "change it with the tool that made it, or let Muster take it over with adopt";
  if (problems.length > 0)
    throw fail(
      "foreign",
      `stream ${stream} was not made by Muster, which leaves it as it is, and does not fit: ${problems.join("; ")}; ${wayOut}`,
    );
  const limits = droppingLimits(config);
  if (limits.length > 0)
    throw fail(
      "silent_loss",
      `stream ${stream} was not made by Muster, which leaves it as it is, and drops its oldest messages in silence, settled or not, at ${limits.join(", ")} (discard ${config.discard}): it has to refuse new ones instead; ${wayOut}`,
    );
}
