import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { home, SetupError, say } from "./tools.ts";

const patienceMs = 30 * 60_000;

/**
 * Runs `work` while no other set-up of this checkout runs. The lock is SQLite's lock on an empty file: the
 * operating system lets go of it when its owner dies, where a file with a pid would outlive it.
 */
export function withLock(work: () => void): void {
  mkdirSync(home, { recursive: true });
  const lock = new DatabaseSync(join(home, "lock"));
  try {
    if (!take(lock, 0)) {
      say("another set-up of this checkout is running, waiting for it");
      if (!take(lock, patienceMs)) throw new SetupError("the other set-up did not end within half an hour");
    }
    work();
  } finally {
    lock.close();
  }
}

function take(lock: DatabaseSync, waitMs: number): boolean {
  try {
    lock.exec(`PRAGMA busy_timeout = ${waitMs}; BEGIN EXCLUSIVE`);
    return true;
  } catch (error) {
    const busy = 5;
    if ((error as { errcode?: number }).errcode === busy) return false;
    throw error;
  }
}
