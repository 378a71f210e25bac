// The contracts a group accepts, put where its members get them.
import { buckets, contractSchemas } from "@muster/contracts";
import { fail } from "../errors.ts";
import { getEntry, putEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import type { Change } from "./change.ts";
import { canonicalJson } from "./canonical.ts";
import { breakingChanges } from "./contract-change.ts";
import type { PlannedChange } from "./plan-change.ts";
import type { Snapshot } from "./snapshot.ts";

/** Writes the JSON Schema of each contract where it differs from the one that is there. */
export async function provisionContracts(nats: Nats, contracts: readonly string[]): Promise<Change[]> {
  const changes: Change[] = [];
  for (const name of contracts)
    changes.push({ what: `contract ${name}`, change: await provision(nats, name) });
  return changes;
}

/** What would become of the contracts. Throws `breaking_contract` where one would take less than what is stored. */
export async function planContracts(
  snapshot: Snapshot,
  contracts: readonly string[],
): Promise<PlannedChange[]> {
  return await Promise.all(
    contracts.map(async (name): Promise<PlannedChange> => {
      const what = `contract ${name}`;
      const there = await snapshot.contract(name);
      if (there === undefined) return { what, change: "create", differences: [] };
      checkWider(name, there);
      return isSame(there, canonicalJson(contractSchemas[name]))
        ? { what, change: "unchanged", differences: [] }
        : { what, change: "update", differences: [{ field: "schema" }] };
    }),
  );
}

async function provision(nats: Nats, name: string): Promise<Change["change"]> {
  const schema = canonicalJson(contractSchemas[name]);
  for (let attempt = 0; attempt < 5; attempt++) {
    const entry = await getEntry(nats, buckets.contracts, name);
    const there = entry?.value === undefined ? undefined : new TextDecoder().decode(entry.value);
    if (there !== undefined && isSame(there, schema)) return "unchanged";
    if (there !== undefined) checkWider(name, there);
    const written = await putEntry(nats, buckets.contracts, name, schema, entry?.revision ?? 0);
    if (written !== "conflict") return there === undefined ? "created" : "updated";
  }
  throw fail("changed_meanwhile", `contract ${name} is being changed by others; apply again`);
}

/** Messages that were accepted wait in streams and dead-letter streams, and publishers change later than groups. */
function checkWider(name: string, there: string): void {
  const before = parsed(there);
  // What is no JSON took nothing.
  const broken = before === undefined ? [] : breakingChanges(before, contractSchemas[name]);
  if (broken.length === 0) return;
  throw fail(
    "breaking_contract",
    `contract ${name} would refuse what it took until now: ${broken.join("; ")}. Give the changed schema a new version of its own, and add it to the group's contracts`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSame(text: string, canonical: string): boolean {
  try {
    return canonicalJson(JSON.parse(text)) === canonical;
  } catch {
    return false;
  }
}
