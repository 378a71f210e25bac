import { parseArgs } from "node:util";

/** What `./muster fleet` was asked for. */
export type FleetOptions = {
  ledger: "kv" | "postgres";
  orders: number;
  /** SIGKILLs, and as many SIGTERMs, of each language. */
  kills: number;
  /** SIGSTOPs of each language. */
  stops: number;
  /** Decides the orders and the plan. */
  seed: number;
  json: boolean;
};

/** The whole proof, and the one that every test run has time for. */
export const sizes = {
  full: { orders: 20_000, kills: 5, stops: 1 },
  small: { orders: 3000, kills: 2, stops: 1 },
} as const;

/** Text of `./muster fleet --help`. */
export const fleetHelp = `Usage: ./muster fleet kv|postgres [--small] [--orders N] [--kills N] [--stops N] [--seed N] [--json]

Two members of each language work on one group while they are killed, stopped and started again, and
orders fail in every way there is; then the account is closed: nothing lost, repeated or invented, with
postgres the balances too. Which orders, and what happens when to whom, follows from the seed alone.

  --small     ${sizes.small.orders} orders, ${sizes.small.kills} kills (else ${sizes.full.orders} and ${sizes.full.kills})
  --orders N  orders to publish
  --kills N   SIGKILLs of each language, and as many SIGTERMs
  --stops N   SIGSTOPs of each language, each longer than ack_wait
  --seed N    plays another one (default 1)
  --json      the last line of stdout is the outcome as one JSON object
  --help      this text

Exit codes: 0 the account closes and all checks pass; 1 they do not; 2 bad options.
`;

/** The options, or what is wrong with the arguments. */
export function readOptions(
  args: readonly string[],
): { type: "run"; options: FleetOptions } | { type: "help" } | { type: "bad"; problem: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        small: { type: "boolean", default: false },
        orders: { type: "string" },
        kills: { type: "string" },
        stops: { type: "string" },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { type: "help" };
    const [ledger, ...others] = positionals;
    if ((ledger !== "kv" && ledger !== "postgres") || others.length > 0)
      return { type: "bad", problem: "which ledger? kv or postgres" };
    const size = values.small ? sizes.small : sizes.full;
    const number = (name: "orders" | "kills" | "stops" | "seed", most: number): number =>
      wholeNumber(name, values[name] ?? String(name === "seed" ? 1 : size[name]), most);
    const options = {
      ledger,
      orders: number("orders", 1_000_000),
      kills: number("kills", 1000),
      stops: number("stops", 1000),
      seed: number("seed", 2 ** 32 - 1),
      json: values.json,
    } as const;
    return { type: "run", options };
  } catch (error) {
    if (error instanceof Error) return { type: "bad", problem: error.message };
    throw error;
  }
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (/^[0-9]{1,10}$/.test(text) && value <= most) return value;
  throw new Error(`--${name} must be a whole number up to ${most}, not ${JSON.stringify(text)}`);
}
