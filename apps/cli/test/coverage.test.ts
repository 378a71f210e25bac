import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "../src/client.ts";
import { exampleOf } from "../src/examples.ts";
import { createProgram } from "../src/program.ts";
import { leaves } from "../src/reference.ts";

/** Procedures without a command, each with its reason; there are none. */
const exceptions: Record<string, string> = {};

/** What examples do not reach: options that lead to another procedure. */
const further = ["groups apply -f groups.yaml", "groups plan -f one.yaml", "groups apply -f one.yaml"];

const spec = "{stream: S, group: g, subjects: [s.>], contracts: [order.v1]}";
const order = { id: "o", customer: "c", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" };
const files: Record<string, string> = {
  "groups.yaml": `groups:\n  - spec: ${spec}\n`,
  "one.yaml": `spec: ${spec}\n`,
  "orders.jsonl": `${JSON.stringify(order)}\n`,
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muster-cli-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
});
afterAll(() => rm(folder, { recursive: true }));

/** A client that notes which procedure is called, and answers nothing. */
function noting(called: Set<string>): Client {
  const at = (path: string[]): unknown =>
    new Proxy(() => undefined, {
      get: (_, name) => at([...path, String(name)]),
      apply: (): never => {
        called.add(path.slice(0, -1).join("."));
        throw new Error("noted");
      },
    });
  return at([]) as Client;
}

/** What a command line calls. */
async function calledBy(line: string): Promise<string[]> {
  const called = new Set<string>();
  const program = createProgram(() => noting(called));
  const words = line.replace(/ > .*/, "").split(" ");
  const args = words.map((word) => (Object.hasOwn(files, word) ? join(folder, word) : word));
  await expect(program.parseAsync(args, { from: "user" })).rejects.toThrow("noted");
  return [...called];
}

const all = leaves(createProgram(() => noting(new Set())));

test("every procedure has a command that calls it", async () => {
  const document = JSON.parse(
    await readFile(join(checkoutRoot, "apps/control-plane/schemas/openapi.json"), "utf8"),
  ) as { paths: Record<string, Record<string, { description: string }>> };
  // The control plane's tests hold the document against its router: it has every procedure.
  const procedures = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ description }) => /over tRPC it is `([^`]+)`/.exec(description)?.[1] ?? ""),
  );
  expect(new Set(procedures).size).toBeGreaterThan(25);
  const called = new Set<string>();
  for (const line of [...all.map(({ name, command }) => exampleOf(name, command)), ...further])
    for (const procedure of await calledBy(line)) called.add(procedure);
  expect([...called].filter((procedure) => !procedures.includes(procedure))).toEqual([]);
  const missing = [...new Set(procedures)].filter((procedure) => !called.has(procedure));
  expect(missing).toEqual(Object.keys(exceptions));
});

test.each(all.map(({ name, command }) => [name, command] as const))(
  "the help of %s says what it does, and has an example that works",
  async (name, command) => {
    expect(command.description()).toMatch(/\w/);
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    expect(help).toMatch(/\nCalls [a-zA-Z.]+; needs role (viewer|operator|admin)\.\n/);
    expect(help).toMatch(new RegExp(`\nExample: muster ${name} ?`));
    expect(await calledBy(exampleOf(name, command))).toHaveLength(1);
  },
);

test("the help of muster has the exit codes and the forms of output", () => {
  let help = "";
  const program = createProgram(() => noting(new Set()));
  program.configureOutput({ writeOut: (text) => (help += text) });
  program.outputHelp();
  expect(help).toMatch(/Exit codes:\n {2}0 {2}done\n {2}1 {2}[^\n]+\n {2}2 {2}/);
  expect(help).toMatch(/json, or\s+jsonl/);
});
