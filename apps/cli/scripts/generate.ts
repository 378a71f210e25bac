/** Writes `docs/cli-commands.md`, the reference of all commands; with `--check` it only tells whether it differs. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { referencePage } from "../src/reference.ts";

const file = new URL("../../../docs/cli-commands.md", import.meta.url);
const text = referencePage();
if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
  if (process.argv.includes("--check")) {
    console.error("docs/cli-commands.md is not as its sources say; run: ./muster generate");
    process.exitCode = 1;
  } else {
    writeFileSync(file, text);
    console.log("wrote docs/cli-commands.md");
  }
}
