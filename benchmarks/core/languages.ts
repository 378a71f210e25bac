// The Go and the Python core, each as a child process beside a child with its own raw client: Go's Consume callback
// with plain acks, Python's fetch(500).
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { checkoutRoot, startProcess } from "@muster/testkit";
import { type Family, on, type Round } from "./cases.ts";
import type { Loaded } from "./lab.ts";

/**
 * Of one child: messages a second, processor time for a message in µs, milliseconds from its start to its first ack,
 * resident bytes.
 */
type Told = { rate: number; processorUs: number; firstAckMs: number; rss: number };

/** A figure as it was measured, median of the rounds. */
type Figure = { name: string; raw: number; ours: number };

type Child = { argv: string[]; env: Record<string, string>; many: number; some: number };

/** The families of a language, and afterwards what was measured beside the ratios. */
export function languageBench(
  language: "go" | "py",
  databaseUrl: string | undefined,
): { families: Family[]; figures(): Figure[] } {
  const child = language === "go" ? goChild() : pyChild();
  const told: { raw: Told; ours: Told }[] = [];

  const consuming: Family = {
    name: "consuming",
    cases: { [noOp]: 0.8, [processor]: undefined, [memory]: undefined, [start]: undefined },
    async round(lab) {
      const raw = await on(lab, child.many, {}, (loaded) => run(child, "raw", loaded));
      const ours = await on(lab, child.many, {}, (loaded) => run(child, "ours", loaded));
      told.push({ raw, ours });
      return {
        [noOp]: ours.rate / raw.rate,
        [processor]: raw.processorUs / ours.processorUs,
        [memory]: raw.rss / ours.rss,
        [start]: raw.firstAckMs / ours.firstAckMs,
      };
    },
  };
  const withLedger = (ledger: "kv" | "postgres"): Family => ({
    name: ledger,
    cases: { [`ledger ${ledger}`]: undefined },
    async round(lab): Promise<Round> {
      const raw = await on(lab, child.many, {}, (loaded) => run(child, "raw", loaded));
      const ours = await on(lab, child.some, { ledger }, (loaded) => run(child, "ours", loaded, databaseUrl));
      return { [`ledger ${ledger}`]: ours.rate / raw.rate };
    },
  });
  const families = [consuming, withLedger("kv")];
  if (databaseUrl !== undefined) families.push(withLedger("postgres"));

  const figures = (): Figure[] => {
    // Without the first round, which warms up.
    const rounds = told.slice(1);
    const figure = (name: string, of: (told: Told) => number): Figure => ({
      name,
      raw: median(rounds.map(({ raw }) => of(raw))),
      ours: median(rounds.map(({ ours }) => of(ours))),
    });
    if (rounds.length === 0) return [];
    return [
      figure("messages a second", ({ rate }) => rate),
      figure("processor time a message, µs", (one) => one.processorUs),
      figure("memory, MB", ({ rss }) => rss / 1e6),
      figure("start to first ack, ms", ({ firstAckMs }) => firstAckMs),
    ];
  };
  return { families, figures };
}

const noOp = "none, no-op: all parts";
// Hardly moves with the machine's load, which the rates do.
const processor = "processor time (raw / ours)";
const memory = "memory (raw / ours)";
const start = "start to first ack (raw / ours)";

function goChild(): Child {
  const file = join(checkoutRoot, ".muster/bin/bench-child");
  const argv = ["go", "build", "-o", file, "./packages/worker-core-go/cmd/bench-child"];
  const env = { ...process.env, CGO_ENABLED: "0" };
  const built = spawnSync(argv[0] ?? "", argv.slice(1), { cwd: checkoutRoot, env, encoding: "utf8" });
  if (built.status !== 0) throw new Error(`${argv.join(" ")}:\n${built.stderr}`);
  return { argv: [file], env: {}, many: 100_000, some: 20_000 };
}

function pyChild(): Child {
  const core = join(checkoutRoot, "packages/worker-core-py");
  const argv = [join(checkoutRoot, ".muster/venv/bin/python"), join(core, "bench/child.py")];
  return { argv, env: { PYTHONPATH: join(core, "src") }, many: 30_000, some: 6000 };
}

async function run(child: Child, kind: "raw" | "ours", loaded: Loaded, databaseUrl?: string): Promise<Told> {
  const env = {
    ...child.env,
    NATS_URL: loaded.url,
    MUSTER_STREAM: loaded.stream,
    MUSTER_GROUP: loaded.group,
    LOG_LEVEL: "error",
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  };
  const startedAt = performance.now();
  await using proc = startProcess(kind, [...child.argv, kind, String(loaded.messages)], env);
  await proc.waitForLine(/^first ack$/, 60_000);
  const firstAckMs = performance.now() - startedAt;
  const rate = await proc.waitForLine(/^rate /, 300_000);
  const used = await proc.waitForLine(/^cpu /);
  const rss = await proc.waitForLine(/^rss /);
  return {
    rate: Number(rate.slice(5)),
    processorUs: Number(used.slice(4)),
    firstAckMs,
    rss: Number(rss.slice(4)),
  };
}

function median(values: readonly number[]): number {
  return Math.round(10 * (values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN)) / 10;
}
