import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { prometheusDir } from "../live/programs.ts";

/** A rule of Prometheus: it records a series, or it alerts. */
export type Rule = {
  record?: string;
  alert?: string;
  expr: string;
  for?: string;
  annotations?: Record<string, string>;
};

type RuleFile = { groups: { name: string; rules: Rule[] }[] };

/** All rules in `infra/prometheus/rules`, in the files' order. */
export async function readRules(): Promise<Rule[]> {
  const files = (await readdir(join(prometheusDir, "rules"))).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(prometheusDir, "rules", file), "utf8")));
  return texts.flatMap((text) => (parse(text) as RuleFile).groups.flatMap(({ rules }) => rules));
}

/** The names of the alerts, each once. */
export function alertNames(rules: readonly Rule[]): string[] {
  return [...new Set(rules.flatMap(({ alert }) => alert ?? []))];
}
