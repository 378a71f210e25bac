// The account of a running group: reads, closes, and looks at each suspect again before it says lost.
import { checkName, checkStream } from "@muster/contracts";
import type { Figures } from "../groups/figures.ts";
import type { Nats } from "../nats/connection.ts";
import { type Account, closeGroup, type Suspect, type Terms } from "./account.ts";
import { readFacts } from "./facts.ts";

const LOOKS = 3;
const NAMED = 100;

/** The account as told: `ok` when nothing is lost. */
export type Verified = {
  stream: string;
  group: string;
  ok: boolean;
  terms: Terms & Pick<Figures, "ready" | "in_flight" | "backing_off">;
  /** The first of what is lost, by event id where a row tells it, else by sequence. */
  lost: Suspect[];
  looks: number;
  cannot_see: string[];
};

/** Closes the account of a group by event id. Reads everything the group has ever settled: minutes for millions. */
export async function verifyGroup(nats: Nats, stream: string, group: string): Promise<Verified> {
  checkStream(stream);
  checkName("group", group);
  let facts = await readFacts(nats, stream, group);
  let account = closeGroup(facts);
  let suspects = account.suspects;
  let looks = 1;
  // A message on its way from one place to the next can look lost once; not at every look.
  for (; suspects.length > 0 && looks < LOOKS; looks++) {
    facts = await readFacts(nats, stream, group);
    account = closeGroup(facts);
    suspects = both(suspects, account.suspects);
  }
  const { ready, in_flight, backing_off } = facts.figures;
  return {
    stream,
    group,
    ok: suspects.length === 0,
    terms: { ...settle(account, suspects.length), ready, in_flight, backing_off },
    lost: suspects.slice(0, NAMED),
    looks,
    cannot_see: [...account.cannotSee, ...always],
  };
}

const always = [
  "effects outside the ledger, and what handlers did before they failed",
  "messages whose publisher got no PubAck",
  "messages deleted by hand: they count as lost",
];

function both(before: readonly Suspect[], now: readonly Suspect[]): Suspect[] {
  const seen = new Set(before.map((suspect) => JSON.stringify(suspect)));
  return now.filter((suspect) => seen.has(JSON.stringify(suspect)));
}

// Suspects of the last look alone are on their way: they are waiting, not lost.
function settle({ terms }: Account, confirmed: number): Terms {
  const lost = Math.min(terms.lost, confirmed);
  return { ...terms, lost, waiting: terms.waiting + terms.lost - lost };
}
