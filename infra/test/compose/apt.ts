// Debian's packages, from the mirror that this machine's apt is set up with.
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

/** The Debian that the stand-ins are made of: what the tags of the base images name. */
export const release = "bookworm";
/** The next one, for programs that are missing or too old in it. */
const newer = "trixie";

/** Address of the mirror, as apt would ask it. */
export async function mirror(): Promise<string> {
  const targets = await run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]);
  const found = targets.split("\n").find((line) => line.endsWith(` ${release}`));
  if (found === undefined) throw new Error(`apt has no source for Debian ${release}: see its sources.list`);
  return found.slice(0, found.indexOf(" "));
}

/** Fetches packages of the newer release, without their dependencies, and unpacks them into one folder. */
export async function unpackNewer(names: readonly string[], scratch: string): Promise<string> {
  const apt = join(scratch, "apt");
  const unpacked = join(scratch, "unpacked");
  for (const folder of ["lists/partial", "cache/archives/partial", "debs"])
    await mkdir(join(apt, folder), { recursive: true });
  await mkdir(unpacked, { recursive: true });
  const sources = join(apt, "sources.list");
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  await writeFile(sources, `deb [signed-by=${key}] ${await mirror()} ${newer} main\n`);
  // A world of its own: the machine's lists and packages stay as they are.
  const options = [
    "APT::Sandbox::User=root",
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(apt, "lists")}`,
    `Dir::Cache=${join(apt, "cache")}`,
  ].flatMap((option) => ["-o", option]);
  await run(["apt-get", ...options, "update"]);
  await run(["apt-get", ...options, "download", ...names], { cwd: join(apt, "debs") });
  for (const file of await readdir(join(apt, "debs")))
    await run(["dpkg-deb", "--extract", join(apt, "debs", file), unpacked]);
  return unpacked;
}
