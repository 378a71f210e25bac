import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, freePort, startProcess } from "@muster/testkit";
import { expect, test } from "vitest";

const muster = join(checkoutRoot, "muster");

/** The words of every `./muster …` line that stands in a code block of the page, without its comment. */
async function commandsOf(page: string): Promise<string[][]> {
  const text = await readFile(join(checkoutRoot, page), "utf8");
  const blocks = text.split("```").filter((_, index) => index % 2 === 1);
  const lines = blocks.flatMap((block) => block.split("\n"));
  const commands = lines.filter((line) => line.startsWith("./muster "));
  return commands.map((line) => (line.split(" #")[0] ?? "").trim().split(/\s+/).slice(1));
}

test("the README's commands run against the fleet that its first one starts", async () => {
  const commands = await commandsOf("README.md");
  expect(commands.shift()).toEqual(["up"]);
  expect(commands.length).toBeGreaterThan(2);
  const store = await mkdtemp(join(tmpdir(), "muster-readme-"));
  const [nats, http] = [await freePort(), await freePort()];
  const env = {
    MUSTER_DEV_PORT: String(nats),
    MUSTER_PORT: String(http),
    MUSTER_URL: `http://127.0.0.1:${http}`,
    MUSTER_DEV_STORE: store,
    NATS_URL: "",
  };
  try {
    await using fleet = startProcess("up", [muster, "up"], env);
    await fleet.waitForLine(/Ctrl-C/, 60_000);
    for (const words of commands) {
      await using command = startProcess(words.join(" "), [muster, ...words], env);
      const { code } = await command.exited;
      expect(code, `./muster ${words.join(" ")}\n${command.lines.join("\n")}`).toBe(0);
    }
    fleet.kill("SIGINT");
    await fleet.exited;
  } finally {
    await rm(store, { recursive: true, force: true });
  }
});
