import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutRoot, startProcess } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "../src/access/tokens.ts";
import { order, settleDead, specOf, startPlane, startSystem, take } from "./system.ts";

const venv = join(checkoutRoot, ".muster/venv/bin/python");
const languages = [
  { name: "go", program: "go", argv: ["run", "rest.go"], quoted: (id: string) => `"${id}"` },
  {
    name: "python",
    program: existsSync(venv) ? venv : "python3",
    argv: ["rest.py"],
    quoted: (id: string) => `'${id}'`,
  },
];

/** Where a language is missing its example is skipped; in CI it fails. */
const isMissing = (program: string) =>
  spawnSync(program, [program === "go" ? "version" : "--version"]).error !== undefined && !process.env["CI"];

let system: Awaited<ReturnType<typeof startSystem>>;
let plane: Awaited<ReturnType<typeof startPlane>>;
beforeAll(async () => {
  system = await startSystem();
  plane = await startPlane(system.server.url, undefined, "tokens");
  await system.client.groups.apply.mutate({ spec: specOf() });
});
afterAll(async () => {
  await plane.close();
  await system[Symbol.asyncDispose]();
});

const run = async (language: (typeof languages)[number], role: "viewer" | "operator", group = "billing") => {
  const token = (await createToken(system.nats, { name: language.name, role }))?.token ?? "";
  await using process = startProcess(
    `example in ${language.name}`,
    [language.program, ...language.argv, "ORDERS", group],
    { MUSTER_URL: plane.url, MUSTER_TOKEN: token },
    { cwd: join(checkoutRoot, "docs/examples") },
  );
  const { code } = await process.exited;
  return { code, lines: process.lines };
};

describe.each(languages)("the REST example in $name", (language) => {
  test.skipIf(isMissing(language.program))(
    "lists groups, publishes an order and replays what died",
    async () => {
      const id = `died in ${language.name}`;
      await system.client.orders.publish.mutate({ orders: [{ event: "created", order: order(id) }] });
      const letter = await settleDead(system.nats, await take(system.nats));
      const { code, lines } = await run(language, "operator");
      expect([code, lines]).toEqual([
        0,
        [
          expect.stringMatching(/^group ORDERS\.billing: \d+ ready, 0 in flight, 1 dead$/),
          expect.stringMatching(/^order from-(go|python): published$/),
          expect.stringMatching(/^dead letter /),
        ],
      ]);
      expect(lines[2]?.trim()).toBe(`dead letter ${language.quoted(letter)}: replayed`);
      const { items } = await system.client.deadLetters.list.query({ stream: "ORDERS" });
      expect(items).toEqual([]);
      // What it sent and what it replayed: both wait for the group, and leave the stream for the next language.
      for (const _ of [1, 2]) (await take(system.nats)).term();
    },
    60_000,
  );

  test.skipIf(isMissing(language.program))(
    "says what was refused, with the request's id",
    async () => {
      const { code, lines } = await run(language, "viewer");
      expect([code === 0, lines.join("\n")]).toEqual([
        false,
        expect.stringMatching(/forbidden: this needs role operator.* \(request [0-9a-f-]{36}\)/),
      ]);
    },
    60_000,
  );
});

// A shell's lines as they stand there: continued by a backslash, or within quotes.
const page = readFileSync(join(checkoutRoot, "docs/rest.md"), "utf8");
const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);

test.skipIf(isMissing("curl"))("what docs/rest.md shows works, in its order", async () => {
  const token = (await createToken(system.nats, { name: "a reader", role: "admin" }))?.token ?? "";
  const commands = blocks.filter((block) => block.includes("curl"));
  expect(commands).toHaveLength(4);
  for (const block of commands) {
    const env = { MUSTER_URL: plane.url, MUSTER_TOKEN: token };
    const script = `set -e\n${block.replaceAll("curl -s ", "curl -sS --fail-with-body -w '\\n' ")}`;
    await using shell = startProcess("the page's commands", ["sh", "-c", script], env);
    const { code } = await shell.exited;
    expect([code, block, shell.lines.join("\n")]).toEqual([0, block, expect.not.stringMatching(/"code"/)]);
  }
});
