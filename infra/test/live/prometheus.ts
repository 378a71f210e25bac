// A real Prometheus with the shipped configuration and rules, its targets put in place of the names in DNS.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startProcess } from "@muster/testkit";
import { parse, stringify } from "yaml";
import { prometheusDir } from "./programs.ts";
import { patienceMs, until } from "./until.ts";

type Config = {
  global: Record<string, string>;
  scrape_configs: {
    job_name: string;
    authorization?: { credentials_file: string };
    dns_sd_configs?: unknown;
  }[];
};

/** One series of an answer, with its latest value. */
export type Series = { metric: Record<string, string>; value: [number, string] };

/** A Prometheus that runs. Disposing of it ends it and removes what it stored. */
export type Prometheus = {
  url: string;
  /** Series that an expression gives now. Fails with Prometheus's reason where it cannot be evaluated. */
  query(expr: string): Promise<Series[]>;
  /** Anything of its API, below `/api/v1`. */
  api<T>(path: string): Promise<T>;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * Starts it on a free loopback port. It looks every 2 seconds where the shipped one takes 15.
 * `targets` are URLs by job; a job without any fails.
 */
export async function startPrometheus(targets: Record<string, string[]>, token: string): Promise<Prometheus> {
  const scratch = await mkdtemp(join(tmpdir(), "muster-prometheus-"));
  await cp(prometheusDir, scratch, { recursive: true });
  const file = join(scratch, "prometheus.yml");
  await writeFile(join(scratch, "token"), token);
  await writeFile(file, stringify(adapted(parse(await readFile(file, "utf8")) as Config, targets, scratch)));
  const port = await freePort();
  const proc = startProcess("prometheus", [
    "prometheus",
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(scratch, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const url = `http://127.0.0.1:${port}`;
  const dispose = async () => {
    proc.kill("SIGTERM");
    await proc.exited;
    await rm(scratch, { recursive: true, force: true });
  };
  const api = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`${url}/api/v1${path}`);
    const body = (await answer.json()) as { status: string; error?: string; data: T };
    if (body.status !== "success") throw new Error(`${path}: ${body.error ?? answer.status}`);
    return body.data;
  };
  try {
    await proc.waitForLine(/Server is ready/, patienceMs);
    await until("Prometheus to answer", async () => (await fetch(`${url}/-/ready`)).ok);
  } catch (error) {
    await dispose();
    throw error;
  }
  const query = async (expr: string) =>
    (await api<{ result: Series[] }>(`/query?query=${encodeURIComponent(expr)}`)).result;
  return { url, api, query, [Symbol.asyncDispose]: dispose };
}

function adapted(config: Config, targets: Record<string, string[]>, scratch: string): object {
  const every = { scrape_interval: "2s", scrape_timeout: "2s", evaluation_interval: "1s" };
  return {
    ...config,
    global: { ...config.global, ...every },
    scrape_configs: config.scrape_configs.map(({ dns_sd_configs: _names, authorization, ...job }) => {
      const urls = targets[job.job_name];
      if (urls === undefined) throw new Error(`no targets for job ${job.job_name}`);
      const login = authorization && {
        authorization: { ...authorization, credentials_file: join(scratch, "token") },
      };
      return { ...job, ...login, static_configs: [{ targets: urls.map((url) => new URL(url).host) }] };
    }),
  };
}
