import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNats, startProcess } from "@muster/testkit";
import { expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { startControlPlane } from "../src/server.ts";
import { createLog } from "../src/log.ts";

const argv = [process.execPath, join(import.meta.dirname, "../src/main.ts")];
const start = (env: Record<string, string>, args: string[] = []) =>
  startProcess("control-plane", [...argv, ...args], {
    NATS_URL: "",
    MUSTER_HOST: "",
    MUSTER_PORT: "",
    LOG_LEVEL: "",
    DATABASE_URL: "",
    MUSTER_AUTH: "",
    MUSTER_CORS_ORIGINS: "",
    ...env,
  });

test("names every bad variable at once and exits with 2", async () => {
  await using process = start({
    MUSTER_PORT: "70000",
    MUSTER_HOST: "a b",
    LOG_LEVEL: "loud",
    NATS_URL: "http://x",
    DATABASE_URL: "mysql://u:s3cret@x/y",
    MUSTER_CORS_ORIGINS: "https://fleet.example/",
  });
  expect(await process.exited).toEqual({ code: 2, signal: null });
  expect(new Set(process.lines.map((line) => line.split(" ")[0]))).toEqual(
    new Set(["DATABASE_URL", "LOG_LEVEL", "MUSTER_CORS_ORIGINS", "MUSTER_HOST", "MUSTER_PORT", "NATS_URL"]),
  );
  expect(process.lines.join()).not.toContain("s3cret");
});

test("has defaults for all but NATS_URL", () => {
  expect(readConfig({ NATS_URL: "nats://a:4222, nats://b:4222" })).toEqual({
    ok: true,
    config: {
      natsUrls: ["nats://a:4222", "nats://b:4222"],
      login: {},
      host: "127.0.0.1",
      port: 4600,
      auth: "off",
      logLevel: "info",
    },
  });
  expect(readConfig({})).toEqual({ ok: false, problems: [expect.stringContaining("NATS_URL is required")] });
});

test("names login files that cannot be used, and nothing of what they hold", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-config-"));
  const nkey = join(folder.path, "user.nk");
  await writeFile(nkey, "SUSECRET");
  const env = { NATS_URL: "nats://a:b@c:4222", NATS_NKEY: nkey, NATS_CA: nkey, MUSTER_INBOX_PREFIX: "a.>" };
  const read = readConfig(env);
  const problems = read.ok ? [] : read.problems;
  expect(problems.map((line) => line.split(" ")[0])).toEqual([
    "MUSTER_INBOX_PREFIX",
    "NATS_NKEY",
    "NATS_CA",
    "NATS_NKEY",
  ]);
  expect(problems.join()).not.toContain("SUSECRET");
});

test("a login that NATS refuses at the start ends it with 4, and it says so", async () => {
  await using server = await startNats({ config: "authorization { user: ada, password: right }" });
  const NATS_URL = server.url.replace("//", "//ada:wrong@");
  await using plane = start({ NATS_URL, MUSTER_PORT: "0" });
  expect(await plane.exited).toEqual({ code: 4, signal: null });
  const why = expect.stringMatching(/^NATS at .* refuses the login: .*Authorization Violation/);
  expect(plane.lines).toContainEqual(why);
  await using once = start({ NATS_URL }, ["create-token", "x", "viewer"]);
  expect(await once.exited).toEqual({ code: 4, signal: null });
  expect([...plane.lines, ...once.lines].join()).not.toContain("wrong");
});

test("takes the database's URL from a file, or says what is wrong with it", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-config-"));
  const url = "postgres://muster:s3cret@db/muster";
  const read = async (text: string, more: Record<string, string> = {}) => {
    const file = join(folder.path, "url");
    await writeFile(file, text);
    return readConfig({ NATS_URL: "nats://a:4222", DATABASE_URL_FILE: file, ...more });
  };
  expect(await read(`${url}\n`)).toMatchObject({ ok: true, config: { databaseUrl: url } });
  const wrong = { ok: false, problems: [expect.stringMatching(/^DATABASE_URL_FILE (?!.*s3cret)/)] };
  expect(await read("mysql://u:s3cret@x/y")).toEqual(wrong);
  expect(await read("")).toEqual(wrong);
  expect(await read(url, { DATABASE_URL: url })).toEqual(wrong);
  expect(await read(url, { DATABASE_URL_FILE: "/none/such" })).toEqual(wrong);
  expect(await read(url, { DATABASE_URL_FILE: "/none/such", MUSTER_PORT: "x" })).toMatchObject({
    problems: [expect.stringMatching(/^MUSTER_PORT/), expect.stringMatching(/^DATABASE_URL_FILE/)],
  });
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

test("shows the first admin token once, and makes another for who has lost it", async () => {
  await using server = await startNats();
  const env = { NATS_URL: server.url, MUSTER_PORT: "0", MUSTER_AUTH: "tokens" };
  const statusWith = async (url: string, token: string | undefined) =>
    (await fetch(`${url}/groups.list`, { headers: { authorization: `Bearer ${token}` } })).status;
  const urlOf = async (plane: ReturnType<typeof start>) => {
    await plane.waitForLine(/"connected"/);
    return (JSON.parse(await plane.waitForLine(/"listening"/)) as { url: string }).url;
  };
  await using first = start(env);
  const token = (await first.waitForLine(/shown this once/)).split(" ").at(-1);
  expect(await statusWith(await urlOf(first), token)).toBe(200);
  await using second = start(env);
  const url = await urlOf(second);
  expect(await statusWith(url, token)).toBe(200);
  expect(second.lines.join("\n")).not.toContain("mst_");

  await using made = start(env, ["create-token", "ada", "viewer"]);
  expect((await made.exited).code).toBe(0);
  const another = made.lines.find((line) => line.startsWith("mst_"));
  expect(await statusWith(url, another)).toBe(200);
  const audit = await fetch(`${url}/audit.list?input={}`, { headers: { authorization: `Bearer ${token}` } });
  expect(await audit.text()).toContain('"action":"tokens.create"');

  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-token-"));
  const file = join(folder.path, "token");
  const toFile = async () => {
    await using making = start(env, ["create-token", "prometheus", "viewer", file]);
    expect([await making.exited, making.lines.filter((line) => line.includes("mst_"))]).toEqual([
      { code: 0, signal: null },
      [],
    ]);
    return (await readFile(file, "utf8")).trim();
  };
  const written = await toFile();
  expect(await statusWith(url, written)).toBe(200);
  // A second run keeps what is good, and makes anew what is none.
  expect(await toFile()).toBe(written);
  await writeFile(file, `mst_0123456789_${"x".repeat(43)}\n`);
  expect(await statusWith(url, await toFile())).toBe(200);

  await using wrong = start(env, ["create-token", "ada", "king"]);
  expect([(await wrong.exited).code, wrong.lines.at(-1)]).toEqual([
    2,
    expect.stringContaining("viewer|operator|admin"),
  ]);
});

test("a token for a server that is not there: one line that says so", async () => {
  const env = { NATS_URL: "nats://127.0.0.1:1", LOG_LEVEL: "error" };
  await using made = start(env, ["create-token", "ada", "viewer"]);
  expect((await made.exited).code).toBe(1);
  expect(made.lines.at(-1)).toContain("NATS is not reachable at nats://127.0.0.1:1");
});
