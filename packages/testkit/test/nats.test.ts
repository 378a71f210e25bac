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

test("a port in use is named with the server's own words", async () => {
  await using server = await startNats();
  await expect(startNats({ port: server.port, config: "max_payload: nonsense" })).rejects.toThrow(String(server.port));
});

test("a process that ends is told apart from a line that never comes", async () => {
  await using proc = startProcess("echo", [process.execPath, "-e", "console.log('one')"]);
  await expect(proc.waitForLine(/two/)).rejects.toThrow("ended");
  expect(proc.lines).toContain("one");
});
