import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { checkoutRoot, findNatsServer, type Proc, startProcess } from "@muster/testkit";

/** A copy of this checkout on a machine that lacks programs. */
export type Machine = {
  readonly tree: string;
  /** Runs the launcher there. */
  muster(args: readonly string[], env?: Record<string, string>): Proc;
  [Symbol.asyncDispose](): Promise<void>;
};

/** What a machine never had: programs on its PATH, and what set-up brings or builds with them. */
export type Lack = { programs: RegExp; brought: RegExp };

export const noGo: Lack = {
  programs: /^(go|gofmt)$/,
  brought: /^(bin\/(worker-go|conformance-go|golangci-lint)|stamps\/(go|golangci-lint))$/,
};
export const noPython: Lack = {
  programs: /^python/,
  brought: /^(venv|lib\/uv|stamps\/(python|uv))$/,
};
export const noNats: Lack = { programs: /^nats-server$/, brought: /^(bin|stamps)\/nats/ };

/** All sources are copied, packages and tools are linked: what is there is what set-up brings, but for what is lacking. */
export async function machineWithout(...lacks: readonly Lack[]): Promise<Machine> {
  const tree = await mkdtemp(join(tmpdir(), "muster-machine-"));
  const lacking = (of: keyof Lack, name: string): boolean => lacks.some((lack) => lack[of].test(name));
  for (const name of await readdir(checkoutRoot)) {
    if (notCopied.test(name)) continue;
    const filter = (from: string): boolean =>
      from.endsWith("/node_modules") || !notCopied.test(basename(from));
    await cp(join(checkoutRoot, name), join(tree, name), { recursive: true, verbatimSymlinks: true, filter });
  }
  await symlink(join(checkoutRoot, "node_modules"), join(tree, "node_modules"));

  const [home, ownHome] = [join(checkoutRoot, ".muster"), join(tree, ".muster")];
  const parts = ["node", "venv", ...(await listed(home, "bin")), ...(await listed(home, "lib"))];
  for (const part of parts.filter((name) => existsSync(join(home, name)) && !lacking("brought", name)))
    await link(join(home, part), join(ownHome, part));
  // A stamp is written anew, and must not be written through a link.
  for (const stamp of (await listed(home, "stamps")).filter((name) => !lacking("brought", name)))
    await cp(join(home, stamp), join(ownHome, stamp));

  const bin = join(tree, "bin");
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  for (const folder of folders.filter((path) => path !== "" && !path.startsWith(checkoutRoot))) {
    for (const name of await readdir(folder).catch(() => []))
      if (!lacking("programs", name)) await link(join(folder, name), join(bin, name));
  }
  if (!lacking("programs", "nats-server") && !existsSync(join(ownHome, "bin/nats-server")))
    await link(findNatsServer(), join(bin, "nats-server"));

  // The logs that a failed demo leaves go with the machine.
  const own = { PATH: bin, TMPDIR: join(tree, "tmp"), MUSTER_NATS_SERVER: "", NATS_URL: "", CI: "" };
  await mkdir(own.TMPDIR);
  return {
    tree,
    muster: (args, env = {}) =>
      startProcess(`muster ${args[0]}`, [join(tree, "muster"), ...args], { ...own, ...env }, { cwd: tree }),
    [Symbol.asyncDispose]: () => rm(tree, { recursive: true, force: true }),
  };
}

// Hidden folders hold caches, and the root's .git and .muster; the root's node_modules is linked.
const notCopied =
  /^(\.(?!ci$|gitignore$|oxlintrc|golangci).*|node_modules|__pycache__|dist|coverage|.*\.egg-info)$/;

async function listed(home: string, folder: string): Promise<string[]> {
  return (await readdir(join(home, folder)).catch(() => [])).map((name) => `${folder}/${name}`);
}

/** A link, unless there is one: the first on the PATH is the one that counts. */
async function link(to: string, file: string): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true });
  await symlink(to, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
