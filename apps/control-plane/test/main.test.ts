import { join } from "node:path";
import { startNats, startProcess } from "@muster/testkit";
import { expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { startControlPlane } from "../src/server.ts";
import { createLog } from "../src/log.ts";

const argv = [process.execPath, join(import.meta.dirname, "../src/main.ts")];
const start = (env: Record<string, string>) =>
  startProcess("control-plane", argv, {
    NATS_URL: "",
    MUSTER_HOST: "",
    MUSTER_PORT: "",
    LOG_LEVEL: "",
    DATABASE_URL: "",
    MUSTER_AUTH: "",
    ...env,
  });

test("names every bad variable at once and exits with 2", async () => {
  await using process = start({
    MUSTER_PORT: "70000",
    MUSTER_HOST: "a b",
    LOG_LEVEL: "loud",
    NATS_URL: "http://x",
    DATABASE_URL: "mysql://u:s3cret@x/y",
  });
  expect(await process.exited).toEqual({ code: 2, signal: null });
  expect(new Set(process.lines.map((line) => line.split(" ")[0]))).toEqual(
    new Set(["DATABASE_URL", "LOG_LEVEL", "MUSTER_HOST", "MUSTER_PORT", "NATS_URL"]),
  );
  expect(process.lines.join()).not.toContain("s3cret");
});

test("has defaults for all but NATS_URL", () => {
  expect(readConfig({ NATS_URL: "nats://a:4222, nats://b:4222" })).toEqual({
    ok: true,
    config: {
      natsUrls: ["nats://a:4222", "nats://b:4222"],
      host: "127.0.0.1",
      port: 4600,
      auth: "off",
      logLevel: "info",
    },
  });
  expect(readConfig({})).toEqual({ ok: false, problems: [expect.stringContaining("NATS_URL is required")] });
});

test("prints where it listens, works, and leaves with 0 on SIGTERM", async () => {
  await using server = await startNats();
  await using process = start({ NATS_URL: server.url, MUSTER_PORT: "0" });
  const line = JSON.parse(await process.waitForLine(/"listening"/)) as { url: string };
  await process.waitForLine(/"connected"/);
  expect(await (await fetch(`${line.url}/readyz`)).json()).toEqual({ ok: true, nats: "connected" });
  process.kill("SIGTERM");
  expect(await process.exited).toEqual({ code: 0, signal: null });
});

test("leaves on SIGINT while it still waits for NATS", async () => {
  await using process = start({ NATS_URL: "nats://127.0.0.1:1", MUSTER_PORT: "0" });
  await process.waitForLine(/"waiting for NATS"/);
  process.kill("SIGINT");
  expect(await process.exited).toEqual({ code: 0, signal: null });
});

test("a port in use is named, with what to do", async () => {
  await using other = await startControlPlane(
    { natsUrls: ["nats://127.0.0.1:1"], host: "127.0.0.1", port: 0, auth: "off", logLevel: "error" },
    createLog("error"),
  );
  const port = new URL(other.url).port;
  await using process = start({ NATS_URL: "nats://127.0.0.1:1", MUSTER_PORT: port });
  expect(await process.exited).toEqual({ code: 1, signal: null });
  expect(process.lines.join("\n")).toMatch(new RegExp(`port ${port} .* in use.*MUSTER_PORT`));
});
