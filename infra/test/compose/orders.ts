// Orders through the fleet, by its own CLI, and the account of them.
import { waitFor } from "@muster/testkit";
import type { Fleet } from "./compose.ts";

/** Every so many orders is one that no worker takes. */
export const BAD_EVERY = 100;

/** What `muster verify` says. */
export type Account = {
  ok: boolean;
  terms: Record<"accepted" | "done" | "dead" | "waiting" | "lost" | "repeats" | "conflicts", number>;
};

/** Publishes orders until each is taken: what is not known to be taken goes again, as the same event. */
export async function publish(fleet: Fleet, count: number): Promise<void> {
  let open = Array.from({ length: count }, (_, n) => ({
    id: `order-${n}`,
    customer: `customer ${n % 7}`,
    amount: n % BAD_EVERY === 0 ? -1 : 10,
    status: "pending",
    created_at: "2026-01-01T00:00:00Z",
  }));
  await waitFor(
    `${count} orders to be taken`,
    async () => {
      const lines = open.map((order) => JSON.stringify(order)).join("\n");
      const { outcomes } = await fleet.muster<{ outcomes: { outcome: string }[] }>(
        ["orders", "publish", "-f", "-"],
        lines,
      );
      open = open.filter((_, n) => !["published", "duplicate"].includes(outcomes[n]?.outcome ?? ""));
      return open.length === 0;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
}

/** The account as it is now. */
export function verify(fleet: Fleet): Promise<Account> {
  return fleet.muster<Account>(["verify", "ORDERS", "billing"]);
}

/** The account when nothing waits any more. */
export function closedAccount(fleet: Fleet): Promise<Account> {
  return waitFor(
    "the account to close",
    async () => {
      const account = await verify(fleet);
      return account.terms.waiting === 0 ? account : undefined;
    },
    { timeoutMs: 240_000, everyMs: 2000 },
  );
}

/** Event ids that the members' logs say are done, one entry for each time. */
export async function settled(fleet: Fleet): Promise<string[]> {
  const log = await fleet.fleet(["logs", "--no-log-prefix", "worker-ts", "worker-go", "worker-py"]);
  return log.split("\n").flatMap((line) => {
    if (!line.includes('"settled"')) return [];
    // Before the first line of a container compose may write codes for a terminal.
    const { outcome, event_id } = JSON.parse(line.slice(line.indexOf("{"))) as {
      outcome: string;
      event_id: string;
    };
    return outcome === "done" ? [event_id] : [];
  });
}
