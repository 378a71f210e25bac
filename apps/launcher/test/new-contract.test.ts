/** The walk of docs/new-contract.md, done block by block in a copy of the checkout. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { freePort, type Proc, startProcess, waitFor } from "@muster/testkit";
import { expect, test } from "vitest";
import { copyCheckout } from "./checkout-copy.ts";
import { languagesHere } from "./languages.ts";
import { type Block, blocksOf, patched } from "./walk.ts";

test.skipIf(languagesHere.length < 3)(
  "a contract added as the docs say reaches handlers in all three languages",
  async () => {
    await using copy = await copyCheckout();
    await using stack = new AsyncDisposableStack();
    const [nats, http] = [await freePort(), await freePort()];
    const env = {
      NATS_URL: "",
      MUSTER_DEV_PORT: String(nats),
      MUSTER_PORT: String(http),
      MUSTER_URL: `http://127.0.0.1:${http}`,
      MUSTER_HEARTBEAT_MS: "500",
    };
    const start = (block: Block): Proc => {
      const script = `set -e\n${block.text.replaceAll("127.0.0.1:4222", `127.0.0.1:${nats}`)}`;
      const options = { cwd: copy.root, detached: true };
      return stack.use(startProcess(block.text, ["bash", "-c", script], env, options));
    };
    const run = async (block: Block): Promise<string> => {
      const proc = start(block);
      const { code } = await proc.exited;
      expect(code, `${block.text}${proc.lines.join("\n")}`).toBe(0);
      return proc.lines.join("\n");
    };
    const sh = (text: string): Promise<string> => run({ kind: "run", text });

    const printed: string[] = [];
    for (const block of blocksOf(await readFile(join(copy.root, "docs/new-contract.md"), "utf8"))) {
      if (block.kind === "run") printed.push(await run(block));
      else if (block.kind === "terminal") {
        const proc = start(block);
        // As Ctrl-C does: to all that runs in this terminal, which then ends what it started elsewhere.
        stack.defer(async () => {
          process.kill(-proc.pid, "SIGTERM");
          await proc.exited;
        });
        // The fleet is up, or a member has joined.
        await proc.waitForLine(/Ctrl-C|"joined"/, 90_000);
      } else {
        const file = join(copy.root, block.file);
        const text = block.kind === "diff" ? patched(await readFile(file, "utf8"), block) : block.text;
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, text);
      }
    }

    expect(printed.join("\n")).toContain("accepted 300");
    const { members } = await waitFor("all invoices to be settled", async () => {
      const group = JSON.parse(await sh("./muster groups get INVOICES invoicing -o json")) as Group;
      const done = group.members.reduce((sum, { counts }) => sum + counts.done, 0);
      return done === 300 ? group : undefined;
    });
    const shares = Object.fromEntries(members.map(({ language, counts }) => [language, counts.done]));
    expect(Object.keys(shares).sort()).toEqual(["go", "py", "ts"]);
    for (const share of Object.values(shares)) expect(share).toBeGreaterThan(0);
    const dead = await sh("./muster dlq list INVOICES");
    expect(dead).toContain("invalid");
    // What was generated is as the languages' own tools would have it.
    await sh("./muster generate --check");
    expect(await sh("gofmt -l apps/worker-go")).toBe("");
    await sh(
      "cd apps/worker-py && ../../.muster/venv/bin/ruff check -q . && ../../.muster/venv/bin/ruff format -q --check .",
    );
    await sh("node_modules/.bin/tsc -p apps/worker-ts");
  },
);

type Group = { members: { language: string; counts: { done: number } }[] };
