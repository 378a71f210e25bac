import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { expect, test } from "vitest";

const read = (file: string): Promise<string> => readFile(join(checkoutRoot, file), "utf8");
const firstBlock = (text: string, language: string): string | undefined =>
  new RegExp(`\`\`\`${language}\n[\\s\\S]*?\`\`\``).exec(text)?.[0];

test.each([
  ["ts", "packages/worker-core/README.md"],
  ["go", "packages/worker-core-go/README.md"],
  ["python", "packages/worker-core-py/README.md"],
])("the README's %s handler is the one that the core's own tests run", async (language, file) => {
  const block = firstBlock(await read("README.md"), language);
  expect(block).toBeDefined();
  expect(block).toBe(firstBlock(await read(file), language));
});
