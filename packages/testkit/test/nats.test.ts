import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { startNats, startProcess } from "../src/index.ts";

test("a server is killed and comes back on the same port", async () => {
  await using server = await startNats();
  const before = server.pid;
  await server.restart();
  expect(server.pid).not.toBe(before);
  const connection = await connect({ servers: server.url });
  expect(connection.info?.jetstream).toBe(true);
  await connection.close();
});

test("a port in use fails with the server's own words, though somebody answers there", async () => {
  await using server = await startNats();
  await expect(startNats({ port: server.port })).rejects.toThrow(/address already in use/);
});

test("a bad configuration fails with the server's own words", async () => {
  await expect(startNats({ config: "max_payload: nonsense" })).rejects.toThrow(/server\.conf:1/);
});

test("a named store survives the server", async () => {
  const storeDir = await mkdtemp(join(tmpdir(), "muster-store-"));
  const once = await startNats({ storeDir });
  const first = await connect({ servers: once.url });
  await (await jetstreamManager(first)).streams.add({ name: "KEPT", subjects: ["kept"] });
  await first.close();
  await once.stop();
  await using again = await startNats({ storeDir });
  const second = await connect({ servers: again.url });
  expect((await (await jetstreamManager(second)).streams.info("KEPT")).config.name).toBe("KEPT");
  await second.close();
  await again.stop();
  await rm(storeDir, { recursive: true });
});

test("a process that ends is told apart from a line that never comes", async () => {
  await using proc = startProcess("echo", [process.execPath, "-e", "console.log('one')"]);
  await expect(proc.waitForLine(/two/)).rejects.toThrow("ended without");
  await expect(proc.waitForLine(/one/)).resolves.toBe("one");
  expect(proc.lines).toContain("one");
});
