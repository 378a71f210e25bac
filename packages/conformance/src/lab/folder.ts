import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab } from "./lab.ts";

/** A folder of one scenario's own, for files that only their owner may read. */
export type Folder = {
  readonly at: string;
  /** Gives the path of the file. */
  write(name: string, text: string | Uint8Array): Promise<string>;
};

/** Makes one; it is removed at the end of the scenario. */
export async function openFolder(lab: Lab): Promise<Folder> {
  const at = await mkdtemp(join(tmpdir(), "muster-login-"));
  lab.defer(() => rm(at, { recursive: true }));
  return {
    at,
    async write(name, content) {
      const path = join(at, name);
      await writeFile(path, content, { mode: 0o600 });
      return path;
    },
  };
}
