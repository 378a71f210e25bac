import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { checkoutRoot } from "./find.ts";
import { isProgram } from "./postgres-find.ts";

/** The name of the one database and of its owner. */
export const owner = "muster";

/** Whom Postgres runs as, which refuses to be root; undefined: as we do. */
export type PostgresUser = { uid: string; gid: string };

const run = promisify(execFile);
const initdb = ["-U", owner, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"];

/**
 * Makes a server's data with its database in `folder`, and returns where. It is a copy of what was made once for this
 * version and is kept in `.muster`: under load, making it anew takes ten seconds.
 */
export async function makeData(bin: string, folder: string, user: PostgresUser | undefined): Promise<string> {
  const data = join(folder, "data");
  const kept = join(checkoutRoot, ".muster", `postgres-data-${await versionOf(bin)}`);
  if (user !== undefined) await run("chown", [`${user.uid}:${user.gid}`, folder]);
  if (!existsSync(kept)) {
    await makeAnew(bin, data, user);
    await keep(data, kept);
  } else {
    await run("cp", ["-R", "-p", kept, data]);
    if (user !== undefined) await run("chown", ["-R", `${user.uid}:${user.gid}`, data]);
  }
  return data;
}

/** The user to run as: nobody else, unless we are root. */
export async function postgresUser(): Promise<PostgresUser | undefined> {
  if (userInfo().uid !== 0) return undefined;
  const passwd = await readFile("/etc/passwd", "utf8");
  const users = passwd.split("\n").map((line) => line.split(":"));
  const [found = []] = ["postgres", "nobody"].flatMap((name) => users.filter((one) => one[0] === name));
  const [, , uid = "65534", gid = "65534"] = found;
  return { uid, gid };
}

/**
 * What to put before a command to run it as that user. With `endsWithUs` it does not outlive a process that was killed,
 * where the system can see to that.
 */
export function runAs(user: PostgresUser | undefined, endsWithUs = false): string[] {
  // At once, and with all sessions, whatever they do.
  const end = endsWithUs ? ["--pdeathsig=QUIT"] : [];
  if (user !== undefined)
    return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...end];
  return endsWithUs && isProgram("/usr/bin/setpriv") ? ["/usr/bin/setpriv", ...end] : [];
}

async function versionOf(bin: string): Promise<string> {
  const { stdout } = await run(join(bin, "postgres"), ["--version"]);
  // Readable only to the user it was made by.
  const made = [stdout, userInfo().uid, ...initdb].join("\n");
  return createHash("sha256").update(made).digest("hex").slice(0, 12);
}

async function makeAnew(bin: string, data: string, user: PostgresUser | undefined): Promise<void> {
  const asUser = [...runAs(user, true), "env", "LC_ALL=C"];
  const [program, ...args] = [...asUser, join(bin, "initdb"), "-D", data, ...initdb] as [string, ...string[]];
  await run(program, args);
  const [same, ...single] = [...asUser, join(bin, "postgres"), "--single", "-D", data, "postgres"] as const;
  const making = run(same ?? program, single);
  making.child.stdin?.end(`create database ${owner} owner ${owner}\n`);
  await making;
}

/** Keeps a copy for the next; whoever is second throws his away. */
async function keep(data: string, kept: string): Promise<void> {
  const copy = `${kept}.${process.pid}`;
  await run("cp", ["-R", "-p", data, copy]);
  await rename(copy, kept).catch(() => rm(copy, { recursive: true }));
}
