import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, findNatsServer } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { attempt, type Said } from "../live/programs.ts";
import { build, deploymentsOf, resourcesOf, roots } from "./manifests.ts";
import { findTools } from "./tools.ts";

const { tools, missing } = await findTools();
const all = await roots();
const read = (path: string) => readFile(join(checkoutRoot, path), "utf8");
const workers = ["worker-ts", "worker-go", "worker-py"];

test("a server takes what the chart's values add to JetStream", async () => {
  const { config } = parse(await read("infra/k8s/nats/values.yaml"));
  const scratch = await mkdtemp(join(tmpdir(), "muster-nats-values-"));
  try {
    const file = join(scratch, "nats.conf");
    const check = async (more: object) => {
      await writeFile(file, JSON.stringify({ jetstream: { store_dir: scratch, ...more } }));
      return await attempt(findNatsServer(), ["-t", "-c", file]);
    };
    expect(await check(config.jetstream.merge)).toMatchObject({ isGood: true });
    expect(await check({ sync_interval: "seldom" })).toMatchObject({ isGood: false });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});

describe.skipIf(tools === undefined)(`the manifests ${missing ?? ""}`, () => {
  const built = new Map<string, string>();
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), "muster-k8s-"));
    for (const root of all) built.set(root, await build(tools?.kustomize ?? "", root));
  });
  afterAll(async () => {
    await rm(scratch, { recursive: true, force: true });
  });

  async function validate(name: string, text: string): Promise<Said> {
    const file = join(scratch, `${name.replaceAll("/", "-")}.yaml`);
    await writeFile(file, text);
    return await attempt(tools?.validate ?? "", [
      file,
      "--version",
      "1.30",
      "--local-crds",
      tools?.definitions ?? "",
    ]);
  }

  test.for(all)("%s passes the schemas of Kubernetes and KEDA", async (root) => {
    const { isGood, text } = await validate(root, built.get(root) ?? "");
    expect({ isGood, text }).toMatchObject({ isGood: true, text: expect.stringContaining("OK") });
  });

  test.for([
    [
      "a field that is none",
      "overlays/dev",
      "terminationGracePeriodSeconds: 35",
      "terminationGraceSeconds: 35",
    ],
    ["a text where a number belongs", "overlays/hpa", "maxReplicas: 20", "maxReplicas: many"],
    ["a field that KEDA does not have", "overlays/keda", "pollingInterval: 15", "pollInterval: 15"],
  ] as const)("the schemas refuse %s", async ([what, root, good, bad]) => {
    const text = built.get(root) ?? "";
    expect(text).toContain(good);
    expect(await validate(what, text.replace(good, bad))).toMatchObject({ isGood: false });
  });

  test.for(all)("%s gives workers more time to end than they take", async (root) => {
    const deployments = deploymentsOf(resourcesOf(built.get(root) ?? ""));
    for (const name of workers) {
      const { terminationGracePeriodSeconds: seconds = 0, env = {} } = deployments.get(name) ?? {};
      expect(seconds * 1000).toBeGreaterThan(Number(env["MUSTER_GRACE_MS"]) + 5000);
    }
  });

  test.for(all)("%s sets only variables that the protocol and the control plane know", async (root) => {
    const protocol = [...(await read("docs/protocol.md")).matchAll(/^\|([^|]*)\|/gm)].flatMap(
      ([, cell = ""]) => [...cell.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name]) => name),
    );
    const sources = ["apps/control-plane/src/config.ts", "packages/contracts/src/login-files.ts"];
    const texts = await Promise.all(sources.map(read));
    const controlPlane = [...texts.join("\n").matchAll(/^ {2}([A-Z][A-Z_]+):|env\["([A-Z][A-Z_]+)"\]/gm)].map(
      ([, inSchema, asked]) => inSchema ?? asked,
    );
    const deployments = deploymentsOf(resourcesOf(built.get(root) ?? ""));
    expect([...deployments.keys()].sort()).toEqual(["control-plane", ...workers].sort());
    for (const [name, { env }] of deployments)
      expect(name === "control-plane" ? controlPlane : protocol).toEqual(
        expect.arrayContaining(Object.keys(env)),
      );
  });

  test.for(["overlays/hpa", "overlays/keda"])(
    "%s scales every Deployment of workers, and sets no number itself",
    (root) => {
      const resources = resourcesOf(built.get(root) ?? "");
      const targets = resources
        .filter(({ kind }) => kind === "HorizontalPodAutoscaler" || kind === "ScaledObject")
        .map(({ spec }) => (spec as { scaleTargetRef: { name: string } }).scaleTargetRef.name);
      expect(targets.sort()).toEqual([...workers].sort());
      const fixed = resources.filter(
        ({ kind, spec }) => kind === "Deployment" && spec?.["replicas"] !== undefined,
      );
      expect(fixed.map(({ metadata }) => metadata.name)).toEqual(["control-plane"]);
    },
  );
});
