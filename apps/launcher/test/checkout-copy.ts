import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkoutRoot } from "@muster/testkit";

/** A copy of the checkout with what set-up has brought linked into it: nothing in it reaches the original. */
export async function copyCheckout(): Promise<{ root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "muster-copy-"));
  const git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const listed = spawnSync("git", git, { cwd: checkoutRoot, encoding: "utf8", maxBuffer: 64 << 20 });
  const files = listed.stdout
    .split("\0")
    .filter((file) => file !== "" && existsSync(join(checkoutRoot, file)));
  for (const file of files) await copy(file, root);
  await symlink(join(checkoutRoot, "node_modules"), join(root, "node_modules"));
  const packages = files.filter((file) => file.endsWith("/package.json")).map((file) => dirname(file));
  for (const folder of packages) await copy(join(folder, "node_modules"), root);

  for (const part of ["node", "lib", "venv", "bin/nats-server"]) {
    const original = join(checkoutRoot, ".muster", part);
    await mkdir(dirname(join(root, ".muster", part)), { recursive: true });
    if (existsSync(original)) await symlink(original, join(root, ".muster", part));
  }
  for (const stamp of ["nats", "packages", "pnpm", "python", "uv"])
    await copy(`.muster/stamps/${stamp}`, root);
  // The packages are the original's: an installation here would rewrite them.
  const refuse =
    "#!/bin/sh\necho 'the packages of the original are not up to date: run ./muster setup there' >&2\nexit 1\n";
  await writeFile(join(root, ".muster/bin/pnpm"), refuse, { mode: 0o755 });
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** Links stay links, those of the workspace then lead to the copy's packages; caches are left behind. */
async function copy(path: string, root: string): Promise<void> {
  const from = join(checkoutRoot, path);
  if (!existsSync(from)) return;
  await cp(from, join(root, path), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.includes("node_modules/.vite"),
  });
}
