import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot, languages, startProcess, workerCommand } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { applyGroup, billing, readyControlPlane, startControlPlane } from "../live/processes.ts";
import { patienceMs } from "../live/until.ts";
import { startSecured } from "../nats/secured.ts";
import { build, deploymentsOf, k8sDir, resourcesOf } from "./manifests.ts";
import { findTools } from "./tools.ts";

const { tools, missing } = await findTools();

test("the chart's values name every key of the accounts", async () => {
  const accounts = await readFile(join(checkoutRoot, "infra/nats/accounts.conf"), "utf8");
  const used = [...accounts.matchAll(/\$(NKEY_\w+)/g)].map(([, name]) => name);
  const { config, container } = parse(await readFile(join(k8sDir, "nats/values-secured.yaml"), "utf8"));
  expect(config.merge).toEqual({ $include: "accounts.conf" });
  const given = Object.entries<{ valueFrom: { configMapKeyRef: { key: string } } }>(container.env);
  expect(new Set(given.map(([name]) => name))).toEqual(new Set(used));
  for (const [name, { valueFrom }] of given) expect(valueFrom.configMapKeyRef.key).toBe(name);
});

describe.skipIf(tools === undefined)(`the secured overlay ${missing ?? ""}`, () => {
  test("has what processes need to log in and to work in their accounts", async () => {
    const deployments = deploymentsOf(resourcesOf(await build(tools?.kustomize ?? "", "overlays/secured")));
    await using nats = await startSecured({ groups: [billing] });
    await using stack = new AsyncDisposableStack();

    /** The variables of the manifest; what they name in a pod is elsewhere on this machine. */
    const envOf = (
      deployment: string,
      account: string,
      here: Record<string, string>,
    ): Record<string, string> => {
      const env = deployments.get(deployment)?.env ?? {};
      const files = nats.secured.env.get(account) ?? {};
      expect(env).toMatchObject({ NATS_URL: "tls://nats:4222" });
      for (const name of ["NATS_NKEY", "NATS_CA"])
        expect(env[name]).toMatch(/^\/run\/secrets\/nats\/(nkey|ca\.pem)$/);
      const { NATS_NKEY = "", NATS_CA = "" } = files;
      return { ...env, NATS_URL: nats.url, NATS_NKEY, NATS_CA, DATABASE_URL: "", ...here };
    };
    const off = { MUSTER_HOST: "127.0.0.1", MUSTER_PORT: "0", MUSTER_AUTH: "off" };
    const plane = stack.use(startControlPlane(envOf("control-plane", "MUSTER", off)));
    await applyGroup(await readyControlPlane(plane), billing, { subjects: ["orders.>"] });
    for (const language of languages) {
      const here = { WORKER_ID: `${language}-1`, MUSTER_HTTP_HOST: "127.0.0.1", MUSTER_HTTP_PORT: "0" };
      const own = envOf(`worker-${language}`, "WORKERS_ORDERS_billing", here);
      const { argv, env } = workerCommand(language);
      // Nothing but what the manifest gives: without its stream and group the worker would not start.
      const worker = stack.use(startProcess(`worker ${language}`, argv, { ...env, ...own }));
      await worker.waitForLine(/"joined"/, patienceMs);
    }
  });
});
