import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, findNatsServer, type Proc, startProcess } from "@muster/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { which } from "../src/setup/tools.ts";

// The shell part, on machines that lack things: a PATH of our own, holding only what a test puts there.
let tree = "";
beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), "muster-boot-"));
  await mkdir(join(tree, "bin"));
  await mkdir(join(tree, "apps/launcher/src"), { recursive: true });
  await copyFile(join(checkoutRoot, "muster"), join(tree, "muster"));
  await writeFile(
    join(tree, "apps/launcher/src/main.ts"),
    "console.log('launched', ...process.argv.slice(2));",
  );
  for (const tool of [
    "bash",
    "env",
    "dirname",
    "readlink",
    "uname",
    "tr",
    "mktemp",
    "mkdir",
    "mv",
    "rm",
    "cp",
  ]) {
    await symlink(which(tool) ?? tool, join(tree, "bin", tool));
  }
});
afterEach(() => rm(tree, { recursive: true }));

async function program(name: string, script: string): Promise<void> {
  const file = join(tree, "bin", name);
  await writeFile(file, `#!/usr/bin/env bash\n${script}\n`);
  await chmod(file, 0o755);
}

function muster(...args: string[]): Proc {
  return startProcess("muster", [join(tree, "muster"), ...args], { PATH: join(tree, "bin") });
}

test("a Node that is new enough is used as it is", async () => {
  await symlink(process.execPath, join(tree, "bin/node"));
  await using proc = muster("help");
  expect((await proc.exited).code).toBe(0);
  expect(proc.lines).toEqual(["launched help"]);
});

test("without Node and npm it says what to install", async () => {
  await using proc = muster("help");
  expect((await proc.exited).code).toBe(1);
  expect(proc.lines.join("\n")).toMatch(/24\.12 or later is needed.*\n.*Install Node/);
});

test("an old Node is left alone, a new one is fetched once by npm", async () => {
  await program("node", "echo v20.1.0");
  // What npm does: the package's folder, with its bin/node, in node_modules.
  await program(
    "npm",
    `echo fetched >> "${tree}/fetches"
     while [ $# -gt 0 ]; do [ "$1" = --prefix ] && prefix=$2; last=$1; shift; done
     mkdir -p "$prefix/node_modules/\${last%@*}/bin"
     cp "${process.execPath}" "$prefix/node_modules/\${last%@*}/bin/node"`,
  );
  for (const told of [true, false]) {
    await using proc = muster("help");
    expect((await proc.exited).code, proc.lines.join("\n")).toBe(0);
    expect(proc.lines.at(-1)).toBe("launched help");
    expect(proc.lines.some((line) => line.includes("fetching Node.js") && line.includes("v20.1.0"))).toBe(
      told,
    );
  }
  // Beside it only what Node itself keeps.
  const kept = await readdir(join(tree, ".muster"));
  expect(kept.filter((name) => name !== "compiled")).toEqual(["node"]);
});

test("a fetch that fails says so, leaves nothing half done, and is tried again", async () => {
  await program("npm", "echo 'no network' >&2; exit 1");
  for (let time = 0; time < 2; time++) {
    await using proc = muster("help");
    expect((await proc.exited).code).toBe(1);
    expect(proc.lines.join("\n")).toMatch(/no network\n.*could not be fetched/);
    expect(await readdir(join(tree, ".muster"))).toEqual([]);
  }
});

test("without Go and Python these are left out, each with one line that says how to get it", async () => {
  await symlink(process.execPath, join(tree, "bin/node"));
  // Where it was found on the PATH there is none in the checkout, and no Go to build one.
  await symlink(findNatsServer(), join(tree, "bin/nats-server"));
  const env = { PATH: join(tree, "bin") };
  await using setup = startProcess("setup", [join(checkoutRoot, "muster"), "setup"], env);
  expect((await setup.exited).code, setup.lines.join("\n")).toBe(0);
  for (const language of ["Go", "Python"]) {
    const told = setup.lines.filter((line) => line.includes(`${language} is left out: install ${language}`));
    expect(told, setup.lines.join("\n")).toHaveLength(1);
  }
  await using worker = startProcess("worker", [join(checkoutRoot, "muster"), "worker", "go"], env);
  expect((await worker.exited).code).toBe(2);
  expect(worker.lines.join("\n")).toContain("Go is left out");
});
