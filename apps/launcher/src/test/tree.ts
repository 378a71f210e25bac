import { root } from "../setup/tools.ts";
import { type Suite, start } from "./suite.ts";

/** What must not be in the tree: this machine's paths, and lock files that record download addresses. */
export const tree: Suite["run"] = async (show) => {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const expectNothing = (what: string, found: string): void => {
    if (found.trim() === "") count.passed += 1;
    else {
      count.failed += 1;
      show(`${what}:\n${found}`);
    }
  };
  expectNothing("paths of this machine", (await start(["git", "grep", "-nIF", root])).text);
  expectNothing(
    "lock files with addresses",
    (await start(["git", "ls-files", "*uv.lock", "*package-lock.json"])).text,
  );
  return count;
};
