import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, freePort, startProcess, waitFor } from "@muster/testkit";
import { expect, test } from "vitest";

const muster = join(checkoutRoot, "muster");

test("up says which port is in use, and ends", async () => {
  const store = await mkdtemp(join(tmpdir(), "muster-port-"));
  const [nats, http] = [await freePort(), await freePort()];
  const env = {
    MUSTER_DEV_PORT: String(nats),
    MUSTER_PORT: String(http),
    MUSTER_DEV_STORE: store,
    NATS_URL: "",
  };
  try {
    await using first = startProcess("up", [muster, "up"], env);
    await first.waitForLine(/Ctrl-C/, 60_000);
    await using second = startProcess("up", [muster, "up"], env);
    expect((await second.exited).code).toBe(1);
    expect(second.lines.join("\n")).toMatch(new RegExp(`${nats}.*in use`));
    first.kill("SIGTERM");
    expect((await first.exited).code).toBe(0);
  } finally {
    await rm(store, { recursive: true, force: true });
  }
});

test("up ends all of it at once at the second signal", async () => {
  const store = await mkdtemp(join(tmpdir(), "muster-lost-"));
  const [nats, http] = [await freePort(), await freePort()];
  const env = {
    MUSTER_DEV_PORT: String(nats),
    MUSTER_PORT: String(http),
    MUSTER_DEV_STORE: store,
    NATS_URL: "",
  };
  const answers = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${http}/livez`).then(
      () => true,
      () => false,
    );
  try {
    await using hurried = startProcess("up", [muster, "up"], env);
    await hurried.waitForLine(/Ctrl-C/, 60_000);
    hurried.kill("SIGINT");
    hurried.kill("SIGTERM");
    await hurried.exited;
    await waitFor("the control plane to be gone", async () => !(await answers()));
  } finally {
    await rm(store, { recursive: true, force: true });
  }
});

test("up against a server that is not there names it", async () => {
  const env = { NATS_URL: `nats://127.0.0.1:${await freePort()}`, MUSTER_PORT: String(await freePort()) };
  await using up = startProcess("up", [muster, "up"], env);
  expect((await up.exited).code).toBe(1);
  expect(up.lines.join("\n")).toContain(`NATS at ${env.NATS_URL}`);
});
