import { buildGo, goMissing } from "./go.ts";
import { withLock } from "./lock.ts";
import { bringNats } from "./nats.ts";
import { bringPackages } from "./node.ts";
import { bringPython, pythonMissing } from "./python.ts";
import { say } from "./tools.ts";

/** What a command needs. Node packages are always brought. */
export type Needs = { nats?: boolean; go?: boolean; py?: boolean };

/** What is there after set-up: languages left out, each with one line that says how to get it. */
export type Ready = { missing: Partial<Record<"go" | "py", string>> };

/** Brings what `needs` names, once; says what it does, and nothing when all is there. */
export function setUp(needs: Needs): Ready {
  const missing: Ready["missing"] = {};
  withLock(() => {
    // First, as it is the one thing that set-up may have no way to bring: who lacks it waits for nothing.
    if (needs.nats) {
      const server = bringNats();
      if (server !== undefined) process.env["MUSTER_NATS_SERVER"] = server;
    }
    bringPackages();
    if (needs.go) {
      const why = goMissing();
      if (why === undefined) buildGo();
      else missing.go = why;
    }
    if (needs.py) {
      const why = pythonMissing();
      if (why === undefined) bringPython();
      else missing.py = why;
    }
  });
  for (const line of Object.values(missing)) say(line);
  return { missing };
}
