import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fileLogin, readLoginFiles } from "../src/index.ts";

// All zeros: of no use anywhere.
const seed = "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ";
const creds = (jwt: string): string =>
  `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "muster-login-"))));
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

it("takes the paths of files that hold what they should, and nothing where no variable is set", async () => {
  const nkey = await file("user.nk", `${seed}\n`);
  expect(readLoginFiles({ NATS_NKEY: nkey, NATS_CREDS: "" }, false)).toEqual({
    files: { nkey },
    problems: [],
  });
  expect(readLoginFiles({}, true).problems).toEqual([]);
});

it("names the variable and the path, and nothing of what the file holds", async () => {
  const path = await file("typo.nk", seed.replace("SUAA", "SUAB"));
  const { problems } = readLoginFiles({ NATS_NKEY: path, NATS_CA: join(folder, "none") }, true);
  expect(problems.map((line) => line.split(":")[0])).toEqual(["NATS_NKEY", "NATS_CA", "NATS_NKEY"]);
  expect(problems.join()).toContain(path);
  expect(problems.join()).not.toContain("SUAB");
});

it("reads credentials anew, and keeps the last ones while a file is half written", async () => {
  const path = await file("user.creds", creds("a.b.c"));
  const login = fileLogin({ creds: path });
  expect(login?.()).toEqual({ jwt: "a.b.c", seed });
  await file("user.creds", creds("d.e.f"));
  expect(login?.().jwt).toBe("d.e.f");
  await file("user.creds", "-----BEGIN NATS USER JWT-----\n");
  expect(login?.().jwt).toBe("d.e.f");
  await rm(path);
  expect(login?.().jwt).toBe("d.e.f");
});
