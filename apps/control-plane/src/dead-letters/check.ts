// Whether a dead letter may be replayed, and what would be sent. Changes nothing.
import {
  isSubject,
  replayHeaders,
  replayMsgId,
  replayNumberOf,
  replaySubject,
  sha256Hex,
} from "@muster/contracts";
import type { Edit } from "./edit.ts";
import type { DeadLetter } from "./read.ts";
import type { Target } from "./target.ts";

/** After so many replays a dead letter is parked: it needs force. */
export const MAX_REPLAYS = 3;

/** What the operator asked for. */
export type ReplayOptions = {
  /** Replays a parked dead letter too. It never overrules the contract. */
  force?: boolean | undefined;
  /** Sends it as an event of its own; the only way for a conflict. */
  as_event_id?: string | undefined;
  /** Sends it with another payload or other headers. */
  edit?: Edit | undefined;
};

/** A replay ready to be sent (to `subject`, or to a member of a queue group), or why there is none. */
export type Check =
  | { type: "ready"; subject: string; headers: Record<string, string>; eventId: string; replayNumber: number }
  | { type: "refused"; code: string; error: string };

/**
 * The checks in the order that tells the operator the most: what no force can mend comes first.
 * `isResumed`: the replay as this very event was begun before, so its row may be there already.
 */
export async function checkReplay(
  letter: DeadLetter,
  target: Target,
  options: ReplayOptions,
  isResumed = false,
): Promise<Check> {
  const original = letter.headers["Muster-Dlq-Subject"] ?? "";
  if (!isSubject(original))
    return refused("bad_subject", `its subject ${JSON.stringify(original)} cannot be published to`);
  const headers = replayHeaders(letter.headers);
  // One that Muster did not write may have no id of its own; the server drops two messages of one id.
  headers["Nats-Msg-Id"] = replayMsgId(letter.id);
  if (options.as_event_id !== undefined) headers["Muster-Event-Id"] = options.as_event_id;
  // A request to a member has a subject of its own.
  if (isOfQueue(target)) headers["Muster-Replay-Subject"] = original;
  const size = bytesOf(headers) + letter.body.byteLength;
  if (size > target.maxBytes)
    return refused(
      "too_large",
      `its message of ${size} bytes is more than the ${target.maxBytes} that ${isOfQueue(target) ? "the server" : `stream ${letter.stream}`} takes`,
    );

  const contract = await checkContract(letter, target, headers["Muster-Contract"]);
  if (contract !== undefined) return contract;
  const replayNumber = replayNumberOf(letter.headers["Muster-Dlq-Replay-Number"]);
  if (replayNumber >= MAX_REPLAYS && options.force !== true) {
    return refused(
      "parked",
      `it was replayed ${replayNumber} times and failed again; mend the cause, then replay it with force`,
    );
  }
  const event = isResumed ? undefined : await checkEvent(letter, target, options);
  if (event !== undefined) return event;
  return {
    type: "ready",
    subject: isOfQueue(target) ? original : replaySubject(letter.stream, letter.group, original),
    headers,
    eventId: headers["Muster-Event-Id"] ?? letter.eventId,
    replayNumber: replayNumber + 1,
  };
}

/** Whether the letter goes back by request to a member, because its group has no stream. */
export function isOfQueue({ spec }: Target): boolean {
  return spec.delivery.mode === "queue";
}

async function checkContract(
  letter: DeadLetter,
  target: Target,
  named: string | undefined,
): Promise<Check | undefined> {
  const contract = named || (target.spec.contracts[0] ?? "");
  if (!target.spec.contracts.includes(contract)) {
    return refused(
      "unknown_contract",
      `group ${letter.group} does not accept contract ${contract}; it accepts ${target.spec.contracts.join(", ")}`,
    );
  }
  const verdict = await target.verdict(contract);
  if (verdict === undefined)
    return refused("unknown_contract", `contract ${contract} is not there; apply the group again`);
  const answer = verdict(letter.body);
  return answer.ok
    ? undefined
    : refused(
        "invalid",
        `its body is not valid: ${answer.error} (${answer.code}); send it with an edit, or let the publisher send a corrected one`,
      );
}

async function checkEvent(
  letter: DeadLetter,
  target: Target,
  options: ReplayOptions,
): Promise<Check | undefined> {
  if (options.as_event_id !== undefined) {
    const row = await target.row(options.as_event_id);
    if (row === undefined && options.as_event_id !== letter.eventId) return undefined;
    return refused(
      "event_id_taken",
      `event ${options.as_event_id} is known to group ${letter.group} already; choose another event id`,
    );
  }
  if (letter.reason === "conflict")
    return refused(
      "conflict",
      "its event was settled with another body; it can only go back as an event of its own (as_event_id)",
    );
  const row = await target.row(letter.eventId);
  if (row?.status === "done" && row.body_sha256 !== sha256Hex(letter.body)) {
    return refused(
      "conflict",
      `its event was done since (${row.at}) with another body; it can only go back as an event of its own (as_event_id)`,
    );
  }
  return undefined;
}

function refused(code: string, error: string): Check {
  return { type: "refused", code, error };
}

// As the server counts: the version line, each header with its colon and line ends, the empty line.
function bytesOf(headers: Record<string, string>): number {
  return Object.entries(headers).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 4,
    14,
  );
}
