// What a compose test leaves behind, when it ends well and when it is killed.
import { join } from "node:path";
import { alive, childrenOf, startProcess, statOf, waitFor } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { startEngine } from "./engine.ts";
import { missing, PATIENCE_MS } from "./ready.ts";
import { run } from "./run.ts";

const holder = join(import.meta.dirname, "engine-holder.ts");

describe.skipIf(missing !== undefined)(missing ?? "an engine of our own", () => {
  test(
    "ends with its containerd when the process that started it is killed",
    async ({ skip }) => {
      await using parent = startProcess("holder", [process.execPath, holder]);
      const pid = Number((await parent.waitForLine(/^engine /, PATIENCE_MS)).split(" ")[1]);
      if (Number.isNaN(pid)) skip("an engine runs here already");
      const all = [pid, await waitFor("its containerd", () => childOf(pid, "containerd"))];
      parent.kill("SIGKILL");
      await parent.exited;
      try {
        const areGone = async () => (await alive(all)).length === 0;
        await waitFor("both to be gone", areGone, { timeoutMs: 60_000 });
      } finally {
        for (const left of await alive(all)) process.kill(left);
      }
    },
    PATIENCE_MS,
  );

  test(
    "keeps the images with names, and not those whose name another has taken",
    async ({ skip }) => {
      const first = await startEngine();
      if (!first.isOurs) skip("an engine runs here already");
      const name = "muster-test-prune:1";
      const ids: string[] = [];
      for (const change of ["ENV IS=old", "ENV IS=new"])
        ids.push(
          (
            await run(["docker", "import", "--change", change, "-", name], {
              env: first.env,
              input: EMPTY_TAR,
            })
          ).trim(),
        );
      await first[Symbol.asyncDispose]();
      await using second = await startEngine();
      const kept = await run(["docker", "images", "--all", "--quiet", "--no-trunc"], { env: second.env });
      expect(ids.map((id) => kept.includes(id))).toEqual([false, true]);
      await run(["docker", "image", "rm", name], { env: second.env });
    },
    PATIENCE_MS,
  );
});

/** Two blocks of zeros. */
const EMPTY_TAR = "\0".repeat(1024);

async function childOf(parent: number, name: string): Promise<number | undefined> {
  for (const pid of await childrenOf(parent)) if ((await statOf(pid))?.name === name) return pid;
  return undefined;
}
