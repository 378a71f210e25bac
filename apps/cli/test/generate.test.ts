import { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import type { Client } from "../src/client.ts";
import { exampleOf } from "../src/examples.ts";
import { addCommands } from "../src/generate.ts";
import type { Procedure } from "../src/procedures.ts";
import type { Refinements } from "../src/refinement.ts";

// Procedures that the control plane does not have: their commands can only come from what is said here.
const whole = { type: "integer", minimum: 1, maximum: 9 };
const procedures = [
  {
    path: "coldStore.moveAway",
    type: "mutation",
    role: "admin",
    summary: "Move a shelf into the cold",
    description: "It takes a while.",
    names: [{ name: "shelf" }, { name: "corner", is_optional: true }],
    input: {
      type: "object",
      properties: {
        $schema: { type: "string" },
        shelf: { type: "string" },
        corner: { type: "string" },
        how_many: { ...whole, default: 3, description: "Boxes at once" },
        warmth: { type: "number", maximum: 0.5 },
        kind: { type: "string", enum: ["dry", "wet"], description: "What it holds" },
        since: { type: "string", format: "date-time" },
        labels: { type: "array", items: { type: "string" }, description: "To put on it" },
        is_heavy: { type: "boolean", description: "Two carry it" },
        plan: { type: "object", properties: { steps: { type: "array" } } },
        to: {
          anyOf: [
            { type: "object", properties: { room: { type: "string" } }, required: ["room"] },
            { type: "object", properties: { row: whole }, required: ["row"] },
          ],
        },
      },
      required: ["shelf", "kind", "to"],
    },
  },
  { path: "coldStore.list", type: "query", role: "viewer", summary: "All shelves", names: [] },
] as unknown as Procedure[];

const minimal = ["cold-store", "move-away", "s1", "--kind", "dry", "--to-room", "r"];

/** Runs a command line against a client that answers so; gives what was asked and printed. */
async function run(args: string[], answer: unknown = {}, refinements: Refinements = {}) {
  const asked: unknown[] = [];
  const call = (input: unknown) => {
    asked.push(input);
    return Promise.resolve(answer);
  };
  const procedure = { query: call, mutate: call };
  const client = { coldStore: { moveAway: procedure, list: procedure } } as unknown as Client;
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const program = new Command("muster").exitOverride();
  const form = args.includes("--jsonl") ? "jsonl" : "table";
  addCommands(program, procedures, refinements, { client: () => client, format: () => form });
  let help = "";
  const all = [...program.commands, ...program.commands.flatMap(({ commands }) => commands)];
  for (const command of all)
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => (help += text), writeErr: (text) => (help += text) });
  const words = args.filter((word) => word !== "--jsonl");
  const error = await program.parseAsync(words, { from: "user" }).then(
    () => undefined,
    (reason: Error & { exitCode: number }) => reason,
  );
  return { asked, out, help, error, program };
}
afterEach(() => void vi.restoreAllMocks());

test("a procedure is a command: its names arguments, its other fields flags, each value of its type", async () => {
  const args = ["c1", "--how-many", "4", "--warmth", "-0.5", "--since", "2026-01-02T03:04:05.123456789Z"];
  const more = ["--labels", "a", "--labels", "b", "--is-heavy", "--plan", '{"steps":[1]}'];
  const { asked, error } = await run([...minimal.slice(0, 3), ...args, ...more, ...minimal.slice(3)]);
  expect(error).toBeUndefined();
  expect(asked).toEqual([
    {
      shelf: "s1",
      corner: "c1",
      how_many: 4,
      warmth: -0.5,
      since: "2026-01-02T03:04:05.123456789Z",
      labels: ["a", "b"],
      is_heavy: true,
      plan: { steps: [1] },
      kind: "dry",
      to: { room: "r" },
    },
  ]);
});

test("what is not given is not sent, and a procedure that takes nothing gets nothing", async () => {
  expect((await run(minimal)).asked).toEqual([{ shelf: "s1", kind: "dry", to: { room: "r" } }]);
  expect((await run(["cold-store", "list"])).asked).toEqual([undefined]);
});

test("a time may be so long ago", async () => {
  vi.useFakeTimers({ now: Date.parse("2026-01-02T03:04:05Z"), toFake: ["Date"] });
  const { asked } = await run([...minimal, "--since", "2h"]).finally(() => vi.useRealTimers());
  expect(asked).toMatchObject([{ since: "2026-01-02T01:04:05.000Z" }]);
});

test.each([
  [["--how-many", "4.5"], "--how-many 4.5 is no whole number"],
  [["--how-many", "10"], "--how-many 10 is not 1 to 9"],
  [["--how-many", "0"], "--how-many 0 is not 1 to 9"],
  [["--how-many", "-1"], "--how-many -1 is not 1 to 9"],
  [["--how-many", ""], "--how-many  is no whole number"],
  [["--warmth", "1e3"], "--warmth 1e3 is no number"],
  [["--warmth", "0.6"], "--warmth 0.6 is not at most 0.5"],
  [["--since", "soon"], "--since soon is no time"],
  [["--since", "2026-13-41T00:00:00Z"], "--since 2026-13-41T00:00:00Z is no time"],
  [["--kind", "soft"], "Allowed choices are dry, wet"],
  [["--plan", "{"], "--plan is not JSON"],
  [["--to-row", "1"], "give one of --to-room and --to-row"],
  [["--colour", "red"], "unknown option '--colour'"],
])("wrong use %j is refused before anything is asked", async (args, told) => {
  const { asked, error } = await run([...minimal, ...args]);
  expect(asked).toEqual([]);
  expect([error?.message, error?.exitCode]).toEqual([expect.stringContaining(told), expect.any(Number)]);
});

test.each([
  [[...minimal.slice(0, 2), "--kind", "dry"], "missing required argument 'shelf'"],
  [minimal.slice(0, 3), "required option '--kind <kind>' not specified"],
  [minimal.slice(0, 5), "give one of --to-room and --to-row"],
])("%j lacks something, and is told what", async (args, told) => {
  const { asked, error } = await run(args);
  expect([asked, error?.message]).toEqual([[], expect.stringContaining(told)]);
});

test("its help has what the schema says, and its example is one", async () => {
  const { help, program } = await run(["cold-store", "move-away", "--help"]);
  expect(help).toMatch(/^Usage: muster cold-store move-away \[options\] <shelf> \[corner\]\n/);
  expect(help).toContain("\nmove a shelf into the cold. It takes a while\n");
  expect(help).toMatch(/ --how-many <n> +boxes at once \(1 to 9; default: 3\)\n/);
  expect(help).toMatch(/ --kind <kind> +what it holds \(choices: "dry", "wet"\)\n/);
  expect(help).toMatch(/ --since <time> +\(a time, or 30m, 2h, 7d ago\)\n/);
  expect(help).not.toContain("--watch");
  // For editors of files.
  expect(help).not.toContain("schema");
  const command = program.commands[0]?.commands[0] as Command;
  expect(exampleOf("cold-store move-away", command)).toBe("cold-store move-away <shelf> --kind <kind>");
  expect((await run(["cold-store", "list", "--help"])).help).toMatch(/ --watch +look again every 2 s/);
});

test("its answer is told by what it looks like", async () => {
  const rows = [
    { id: "a", size: 1, deep: { x: [1] } },
    { id: "b\x1b[31m", size: 20, note: "n" },
  ];
  const answer = { items: rows, next_cursor: "c9", is_whole: true };
  const { out } = await run(["cold-store", "list"], answer);
  expect(out).toBe(
    [
      "next cursor  c9",
      "is whole     true",
      "",
      "items",
      "id           size  deep       note",
      'a               1  {"x":[1]}',
      "b\\u001b[31m    20             n",
      "",
    ].join("\n"),
  );
  expect((await run(["cold-store", "list"], [])).out).toBe("none\n");
  expect((await run(["cold-store", "list"], "gone")).out).toBe("gone\n");
  expect((await run(["cold-store", "list"], {})).out).toBe("done\n");
  const error = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const lines = (await run(["cold-store", "list", "--jsonl"], answer)).out.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(rows);
  expect(error).toHaveBeenCalledWith("more: --cursor c9\n");
});

test("a flag with two meanings is refused", async () => {
  const renamed = { "coldStore.moveAway": { flags: { how_many: "output" } } } as unknown as Refinements;
  await expect(run(minimal, {}, renamed)).rejects.toThrow("--output means something else");
  const twice = { "coldStore.moveAway": { flags: { how_many: "kind" } } } as unknown as Refinements;
  await expect(run(minimal, {}, twice)).rejects.toThrow("conflicting flag '--kind'");
});

test("a refinement that means a field that is not there is refused", async () => {
  const wrong = { "coldStore.list": { args: ["shelf"] } } as unknown as Refinements;
  await expect(run(["cold-store", "list"], {}, wrong)).rejects.toThrow("coldStore.list has no field shelf");
});
