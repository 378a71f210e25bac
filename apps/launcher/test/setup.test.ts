import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Proc, startProcess } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isNatsUsable } from "../src/setup/nats.ts";

// Set-up runs before any package is there. So it is tested in a tree that holds nothing else.
let tree = "";
beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), "muster-setup-"));
  const setup = join(tree, "apps/launcher/src/setup");
  await mkdir(setup, { recursive: true });
  await cp(join(import.meta.dirname, "../src/setup"), setup, { recursive: true });
  await writeFile(join(tree, "package.json"), '{"type":"module"}');
});
afterAll(() => rm(tree, { recursive: true }));

function run(name: string, code: string): Proc {
  const imports = `
    import { appendFileSync, existsSync, writeFileSync } from "node:fs";
    import { withLock } from "./apps/launcher/src/setup/lock.ts";
    import { setUp } from "./apps/launcher/src/setup/index.ts";
    import { once, run, SetupError } from "./apps/launcher/src/setup/tools.ts";`;
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "-e"];
  return startProcess(name, [...argv, imports + code], {}, { cwd: tree });
}

const step = (name: string, end: string): string => `
  once("${name}", "v1", ["${name}.made"], () => {
    appendFileSync("${name}.log", "began ");
    ${end}
    writeFileSync("${name}.made", "");
    appendFileSync("${name}.log", "ended ");
  });`;
const log = (name: string): Promise<string> => readFile(join(tree, `${name}.log`), "utf8");

test("a step that was cut off is done again, and a finished one is not", async () => {
  expect((await run("cut off", step("cut", "process.kill(process.pid, 'SIGKILL');")).exited).signal).toBe(
    "SIGKILL",
  );
  for (let time = 0; time < 2; time++) expect((await run("again", step("cut", "")).exited).code).toBe(0);
  expect(await log("cut")).toBe("began began ended ");
});

test("a step whose result was deleted is done again", async () => {
  await run("first", step("gone", "")).exited;
  await rm(join(tree, "gone.made"));
  await run("second", step("gone", "")).exited;
  expect(await log("gone")).toBe("began ended began ended ");
});

test("two set-ups at once run one after the other, and say that they wait", async () => {
  await mkdir(join(tree, ".muster"), { recursive: true });
  const hold = `withLock(() => {
    appendFileSync("lock.log", "in ");
    console.log("in");
    while (!existsSync("let-go")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    appendFileSync("lock.log", "out ");
  });`;
  await using first = run("first", hold);
  await first.waitForLine(/^in$/);
  await using second = run("second", hold);
  await second.waitForLine(/another set-up/);
  expect(await log("lock")).toBe("in ");
  await writeFile(join(tree, "let-go"), "");
  expect((await first.exited).code).toBe(0);
  expect((await second.exited).code, second.lines.join("\n")).toBe(0);
  expect(await log("lock")).toBe("in out in out ");
});

test("the lock of a killed set-up is free", async () => {
  await run("killed", `withLock(() => process.kill(process.pid, "SIGKILL"));`).exited;
  await using next = run("next", `withLock(() => console.log("mine"));`);
  await next.exited;
  expect(next.lines).toEqual(["mine"]);
});

test("a step that fails shows what its program printed", async () => {
  await using failing = run(
    "failing",
    `run("fetching the moon", [process.execPath, "-e", "console.log('no moon'); process.exit(3)"]);`,
  );
  expect((await failing.exited).code).toBe(1);
  expect(failing.lines.join("\n")).toMatch(/fetching the moon failed:\nno moon/);
});

test("a server that loses messages is not used", () => {
  const usable = ["nats-server: v2.14.5", "nats-server: v2.15.0", "v3.0.0"];
  const not = ["nats-server: v2.14.4", "nats-server: v2.12.4", "v1.99.9", "", undefined];
  expect(usable.filter((version) => !isNatsUsable(version))).toEqual([]);
  expect(not.filter(isNatsUsable)).toEqual([]);
});
