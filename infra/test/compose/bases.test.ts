// The images are pinned, and to what the rest of the checkout is built and tested with.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { bases, composeFolder } from "./bases.ts";

const read = (path: string): Promise<string> => readFile(join(checkoutRoot, path), "utf8");

test("every base image is named at an exact version", async () => {
  for (const { name, tag } of await bases())
    expect(`${name}:${tag}`).toMatch(/:v?\d+\.\d+(\.\d+)?(-[a-z-]+)?$/);
});

test("NATS, pnpm, turbo and uv are the versions that the checkout uses", async () => {
  const images = Object.fromEntries((await bases()).map(({ name, tag }) => [name, tag]));
  const nats = /natsVersion = "v(.*)"/.exec(await read("apps/launcher/src/setup/nats.ts"))?.[1];
  expect(images["nats"]).toBe(`${nats}-alpine`);
  const node = /version=(\d[\d.]+) /.exec(await read("muster"))?.[1];
  expect(images["node"]).toMatch(new RegExp(`^${node}-`));

  const typescript = await readFile(join(composeFolder, "images/typescript.Dockerfile"), "utf8");
  const { packageManager } = JSON.parse(await read("package.json")) as { packageManager: string };
  const { catalog } = parse(await read("pnpm-workspace.yaml")) as { catalog: Record<string, string> };
  expect(typescript).toContain(` ${packageManager} turbo@${catalog["turbo"]}\n`);

  const python = await readFile(join(composeFolder, "images/worker-py.Dockerfile"), "utf8");
  const uv = /uvVersion = "(.*)"/.exec(await read("apps/launcher/src/setup/python.ts"))?.[1];
  expect(python).toContain(` uv==${uv}\n`);
});

test("a worker has longer to stop than it takes to drain", async () => {
  const { services } = parse(await readFile(join(composeFolder, "compose.yaml"), "utf8"), {
    merge: true,
  }) as {
    services: Record<string, { stop_grace_period?: string; environment: Record<string, string> }>;
  };
  for (const name of ["worker-ts", "worker-go", "worker-py"]) {
    const { stop_grace_period = "10s", environment } = services[name] ?? { environment: {} };
    expect(Number.parseInt(stop_grace_period, 10) * 1000).toBeGreaterThan(
      Number(environment["MUSTER_GRACE_MS"]),
    );
  }
});
