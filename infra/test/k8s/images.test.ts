import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { build, deploymentsOf, resourcesOf, roots } from "./manifests.ts";
import { findTools } from "./tools.ts";

const { tools, missing } = await findTools();
const all = await roots();
const read = (path: string) => readFile(join(checkoutRoot, path), "utf8");

describe.skipIf(tools === undefined)(`the images ${missing ?? ""}`, () => {
  test.for(all)("%s runs the images that compose builds, at a version", async (root) => {
    const { services } = parse(await read("infra/compose/compose.yaml"), { merge: true }) as {
      services: Record<string, { image: string }>;
    };
    const deployments = deploymentsOf(resourcesOf(await build(tools?.kustomize ?? "", root)));
    expect(deployments.size).toBe(4);
    for (const [name, { containers }] of deployments) {
      const [image, tag] = (containers[0]?.image ?? "").split(":");
      expect(image).toBe(services[name]?.image.split(":")[0]);
      expect(tag).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });
});

test("the chart runs the server that compose runs", async () => {
  const { container } = parse(await read("infra/k8s/nats/values.yaml"));
  expect(await read("infra/compose/images/nats.Dockerfile")).toContain(`FROM nats:${container.image.tag}\n`);
});
