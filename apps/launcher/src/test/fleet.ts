import { postgresMissing } from "@muster/testkit";
import { join } from "node:path";
import type { Ready } from "../setup/index.ts";
import { root } from "../setup/tools.ts";
import { type Suite, start } from "./suite.ts";

const main = join(root, "apps/launcher/src/fleet/main.ts");

/** The proof of the mixed group, once for each ledger that has an account: small, whole with `MUSTER_FLEET=full`. */
export function fleetSuites({ missing }: Ready): Suite[] {
  const [lacking] = Object.values(missing);
  return (["kv", "postgres"] as const).map((ledger) => ({
    name: `fleet ${ledger}`,
    skip: lacking ?? (ledger === "postgres" ? postgresMissing() : undefined),
    run: play(ledger),
  }));
}

type Report = {
  orders: number;
  done_by_language: Record<string, number>;
  blows: Record<string, Record<string, number>>;
  redeliveries: number;
  seconds: number;
  checks: { ok: boolean }[];
};

function play(ledger: string): Suite["run"] {
  return async (show) => {
    const isFull = process.env["MUSTER_FLEET"] === "full";
    const argv = [process.execPath, main, ledger, "--json", ...(isFull ? [] : ["--small"])];
    const { code, text } = await start(argv);
    const report = reported(text.trimEnd().split("\n").at(-1));
    const checks = report?.checks ?? [];
    const passed = checks.filter(({ ok }) => ok).length;
    if (code !== 0 || report === undefined) show(text);
    else show(figuresOf(ledger, report));
    return { passed, failed: code === 0 ? 0 : Math.max(1, checks.length - passed), skipped: 0 };
  };
}

/** What it came to, in a line: told also when all is well. */
function figuresOf(
  ledger: string,
  { orders, done_by_language, blows, redeliveries, seconds }: Report,
): string {
  const done = Object.values(done_by_language).reduce((sum, count) => sum + count, 0);
  const shares = Object.entries(done_by_language)
    .map(([language, count]) => `${language} ${Math.round((100 * count) / done)} %`)
    .join(", ");
  const struck = Object.values(blows).reduce(
    (sum, of) => sum + Object.values(of).reduce((all, count) => all + count, 0),
    0,
  );
  return `fleet ${ledger}: ${orders} orders, ${struck} blows, ${redeliveries} redeliveries, done by ${shares}; ${seconds} s`;
}

function reported(line: string | undefined): Report | undefined {
  try {
    return JSON.parse(line ?? "") as Report;
  } catch {
    return undefined;
  }
}
