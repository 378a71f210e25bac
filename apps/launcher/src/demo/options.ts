import { parseArgs } from "node:util";

/** What `./muster demo` was asked for. */
export type DemoOptions = {
  /** Events to publish. */
  orders: number;
  /** Decides the orders and the worker that is killed. */
  seed: number;
  /** Leave everything running at the end, until Ctrl-C. */
  keep: boolean;
  /** Print the account as one JSON object in the last line. */
  json: boolean;
};

/** Text of `./muster demo --help`. */
export const demoHelp = `Usage: ./muster demo [--orders N] [--seed N] [--keep] [--json]

Publishes orders to one group of TypeScript, Go and Python workers, some of them bad, kills a worker in
the middle, replays the dead letters that a missing fraud check caused, closes the account, and has the
control plane close it too (verify): both must come to the same figures.
Without NATS_URL it runs on a nats-server of its own; on a given one, under names of its own.

  --orders N  events to publish, 1 to 1000000 (default 1000)
  --seed N    decides the orders and the worker that is killed, 0 to 4294967295 (default 1)
  --keep      leave everything running at the end, until Ctrl-C, and say where to look
  --json      the last line of stdout is the account as one JSON object
  --help      this text

Exit codes: 0 the account closes; 1 it does not, verify disagrees, or the demo failed; 2 bad options.
`;

/** The options, or what is wrong with the arguments. */
export function readOptions(
  args: readonly string[],
): { type: "run"; options: DemoOptions } | { type: "help" } | { type: "bad"; problem: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        orders: { type: "string", default: "1000" },
        seed: { type: "string", default: "1" },
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { type: "help" };
    const orders = wholeNumber("--orders", values.orders, 1, 1_000_000);
    const seed = wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1);
    return { type: "run", options: { orders, seed, keep: values.keep, json: values.json } };
  } catch (error) {
    if (error instanceof Error) return { type: "bad", problem: error.message };
    throw error;
  }
}

function wholeNumber(name: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (/^[0-9]{1,10}$/.test(text) && value >= from && value <= to) return value;
  throw new Error(`${name} must be a whole number from ${from} to ${to}, not ${JSON.stringify(text)}`);
}
