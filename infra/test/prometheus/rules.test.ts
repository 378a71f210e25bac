import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { prometheusDir, prometheusMissing, promtool } from "../live/programs.ts";
import { alertNames, readRules, type Rule } from "../live/rules.ts";

const missing = await prometheusMissing();
const rules = await readRules();
const alerts = alertNames(rules);

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "muster-rules-"));
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** A copy of `infra/prometheus` in which each alert is what `change` makes of it. */
async function changed(name: string, change: (rule: Rule) => Rule): Promise<string> {
  const folder = join(scratch, name);
  await cp(prometheusDir, folder, { recursive: true });
  const file = join(folder, "rules/alerts.yml");
  const read = parse(await readFile(file, "utf8")) as { groups: { rules: Rule[] }[] };
  const groups = read.groups.map((group) => ({ ...group, rules: group.rules.map(change) }));
  await writeFile(file, stringify({ groups }));
  return folder;
}

describe.skipIf(missing !== undefined)(`rules ${missing ?? ""}`, () => {
  test("the configuration passes promtool, the token's file included", async () => {
    const folder = await changed("config", (rule) => rule);
    const file = join(folder, "prometheus.yml");
    const text = await readFile(file, "utf8");
    await writeFile(join(folder, "token"), "t");
    await writeFile(file, text.replace("/run/secrets/prometheus_token", join(folder, "token")));
    expect(await promtool(["check", "config", file])).toMatchObject({ isGood: true });
    await rm(join(folder, "token"));
    expect(await promtool(["check", "config", file])).toMatchObject({ isGood: false });
  });

  test("the rules pass promtool, lint included", async () => {
    const files = ["alerts.yml", "recording.yml"].map((file) => join(prometheusDir, "rules", file));
    const { isGood, text } = await promtool(["check", "rules", "--lint=all", "--lint-fatal", ...files]);
    expect({ isGood, text }).toMatchObject({ isGood: true });
  });

  test.for(alerts)("%s fires where it should, and is silent in near misses", async (alert) => {
    const { isGood, text } = await promtool(["test", "rules", join(prometheusDir, "tests", `${alert}.yml`)]);
    expect({ isGood, text }).toMatchObject({ isGood: true });
  });

  test.for(alerts)(
    "the test of %s sees an alert that never fires, and one that always does",
    async (alert) => {
      const never = await changed(`never-${alert}`, (rule) => ({ ...rule, expr: "vector(1) == 0" }));
      const always = await changed(`always-${alert}`, (rule) => ({ ...rule, for: "0s", expr: "vector(1)" }));
      for (const folder of [never, always])
        expect(await promtool(["test", "rules", join(folder, "tests", `${alert}.yml`)])).toMatchObject({
          isGood: false,
          text: expect.stringContaining(`alertname: ${alert}`),
        });
    },
  );
});

type Tests = { tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[] };

test.for(alerts)(
  "%s has a firing test, a near miss, and a runbook that its annotation links",
  async (alert) => {
    const text = await readFile(join(prometheusDir, "tests", `${alert}.yml`), "utf8");
    const expected = (parse(text) as Tests).tests.flatMap(({ alert_rule_test }) => alert_rule_test);
    expect(new Set(expected.map(({ alertname }) => alertname))).toEqual(new Set([alert]));
    expect(new Set(expected.map(({ exp_alerts }) => exp_alerts.length > 0))).toEqual(new Set([true, false]));
    for (const rule of rules.filter((one) => one.alert === alert))
      expect(rule.annotations?.["runbook_url"]).toMatch(new RegExp(`/docs/runbooks/${alert}\\.md$`));
    const page = await readFile(join(checkoutRoot, "docs/runbooks", `${alert}.md`), "utf8");
    const headings = [...page.matchAll(/^#+ .*$/gm)].map(([line]) => line);
    expect(headings).toEqual([`# ${alert}`, "## What it means", "## How to look", "## What to do"]);
  },
);

test("there is no test and no runbook without an alert", async () => {
  const tests = await readdir(join(prometheusDir, "tests"));
  const pages = await readdir(join(checkoutRoot, "docs/runbooks"));
  expect(tests.sort()).toEqual(alerts.map((alert) => `${alert}.yml`).sort());
  expect(pages.filter((page) => page !== "README.md").sort()).toEqual(
    alerts.map((alert) => `${alert}.md`).sort(),
  );
});
