// The account of a running group: reads, closes, and looks at each suspect again before it says lost.
import { checkName, type GroupSpec } from "@muster/contracts";
import { z } from "zod";
import { Figures } from "../groups/figures.ts";
import { getSpec } from "../groups/specs.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { type Account, closeGroup, Suspect, Terms } from "./account.ts";
import { readFacts } from "./facts.ts";
import { verifyQueue } from "./queue.ts";

const LOOKS = 3;
const NAMED = 100;

/** The account as told. */
export const Verified = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    ok: z
      .boolean()
      .describe("Every accepted event was found: the account can be closed, and nothing is lost"),
    no_account: z
      .string()
      .optional()
      .describe("Why no account of this group can be closed, whatever happened; absent where it can"),
    terms: z.strictObject({
      ...Terms.shape,
      ...Figures.pick({ ready: true, in_flight: true, backing_off: true }).shape,
    }),
    lost: z
      .array(Suspect)
      .describe("The first of what is lost, by event id where a row tells it, else by sequence"),
    looks: z.int(),
    cannot_see: z.array(z.string()),
  })
  .meta({ id: "Account" });
export type Verified = z.infer<typeof Verified>;

/**
 * Closes the account of a group by event id. Reads everything the group has ever settled: minutes for
 * millions. Throws `no_database` where rows are in Postgres and the control plane cannot ask there.
 */
export async function verifyGroup(
  nats: Nats,
  ledgers: Ledgers,
  { stream, group }: { stream: string; group: string },
): Promise<Verified> {
  checkName("stream", stream);
  checkName("group", group);
  const { spec } = await getSpec(nats, stream, group);
  return spec.delivery.mode === "queue"
    ? await verifyQueue(nats, spec)
    : await verifyStream(nats, ledgers, spec);
}

async function verifyStream(nats: Nats, ledgers: Ledgers, spec: GroupSpec): Promise<Verified> {
  let facts = await readFacts(nats, ledgers, spec);
  let account = closeGroup(facts);
  let suspects = account.suspects;
  let looks = 1;
  // A message on its way from one place to the next can look lost once; not at every look.
  for (; suspects.length > 0 && looks < LOOKS; looks++) {
    facts = await readFacts(nats, ledgers, spec);
    account = closeGroup(facts);
    suspects = both(suspects, account.suspects);
  }
  const { ready, in_flight, backing_off } = facts.figures;
  const isTraced = spec.ledger !== "none";
  return {
    stream: spec.stream,
    group: spec.group,
    ok: isTraced && suspects.length === 0,
    ...(isTraced ? {} : { no_account: "its ledger is none: a message that is done leaves no trace" }),
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
