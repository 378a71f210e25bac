// What an engine of our own keeps from one run to the next: the base images and what the next build finds done.
import { run } from "./run.ts";

/**
 * Bytes of what builds have done, the last used first. Building all images once takes 1.0 GB, and a change of the
 * sources 0.2 GB more; with less than this the next run would fetch packages again.
 */
const keptBytes = 1_500_000_000;

/** Removes what a run that was cut short has left: an engine that starts again would start it too. Layers stay. */
export async function clear(env: Record<string, string>): Promise<void> {
  const remove = async (list: readonly string[], by: readonly string[]): Promise<void> => {
    const left = (await run(["docker", ...list, "--quiet"], { env })).split("\n").filter((id) => id !== "");
    if (left.length > 0) await run(["docker", ...by, ...left], { env });
  };
  await remove(["ps", "--all"], ["rm", "--force", "--volumes"]);
  await remove(["volume", "ls"], ["volume", "rm"]);
  await remove(["network", "ls", "--filter", "type=custom"], ["network", "rm"]);
}

/** Removes what the next run does not need: images whose name a newer one has, and the oldest of what was built. */
export async function prune(env: Record<string, string>): Promise<void> {
  await run(["docker", "image", "prune", "--force"], { env });
  await run(["docker", "builder", "prune", "--all", "--force", "--keep-storage", String(keptBytes)], { env });
}
