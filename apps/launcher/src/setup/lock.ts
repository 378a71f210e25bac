import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { home, say } from "./tools.ts";

/** Runs `work` while no other set-up of this checkout runs; a lock whose owner is gone is taken over. */
export function withLock(work: () => void): void {
  const folder = join(home, "lock");
  const owner = join(folder, "pid");
  mkdirSync(home, { recursive: true });
  let told = false;
  for (;;) {
    try {
      mkdirSync(folder);
      break;
    } catch {
      if (!isAlive(owner)) {
        rmSync(folder, { recursive: true, force: true });
        continue;
      }
      if (!told) say("another set-up of this checkout is running, waiting for it");
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    writeFileSync(owner, String(process.pid));
    work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isAlive(owner: string): boolean {
  for (let tries = 0; tries < 10; tries++) {
    try {
      process.kill(Number(readFileSync(owner, "utf8")), 0);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EPERM") return true;
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
      // Made a moment ago, the pid not yet written: look again before calling it dead.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  return false;
}
