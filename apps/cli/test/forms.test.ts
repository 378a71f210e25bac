import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot, freePort, startProcess, waitFor } from "@muster/testkit";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cliArgv, planeArgv, spec, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let muster: (typeof system)["muster"];
let nc: NatsConnection;
beforeAll(async () => {
  system = await startSystem();
  ({ muster } = system);
  nc = await connect({ servers: system.server.url });
});
afterAll(async () => {
  await nc.close();
  await system[Symbol.asyncDispose]();
});

const file = `
groups:
  - spec: &x { stream: ORDERS, group: billing, subjects: [orders.>], contracts: [order.v1] }
`.replace("&x ", "");
const second = "spec: { stream: SHOP, group: stock, subjects: [shop.>], contracts: [order.v1] }\n";
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe("several groups in one file", () => {
  const input = `${file}---\n${second}`;

  test("are planned, and nothing is made; also by apply with --dry-run", async () => {
    for (const command of [["plan"], ["apply", "--dry-run"]]) {
      const { code, out } = await muster(["groups", ...command, "-f", "-"], { input });
      expect([code, out.includes("\ncreate stream SHOP\n")]).toEqual([0, true]);
      expect(out).toMatch(/\n\ngroup stock of stream SHOP is new\n {2}create consumer stock\n/);
      expect(out).toMatch(/\n\n2 groups, 2 to change: apply makes it so\n$/);
    }
    expect((await muster(["groups", "list"])).out).toContain("no groups yet");
  });

  test("are applied, and then there is nothing to do", async () => {
    const first = await muster(["groups", "apply", "-f", "-"], { input });
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(first.out).toMatch(/\nSHOP +stock +applied +2 +consumer created, spec created\n/);
    expect(first.out).toMatch(/\n\n2 groups are as the file says\n$/);
    const { out } = await muster(["groups", "plan", "-f", "-"], { input });
    expect(out).toBe("2 groups, 0 to change: nothing to do\n");
    const lines = (await muster(["groups", "apply", "-f", "-", "-o", "jsonl"], { input })).out
      .trim()
      .split("\n");
    expect(lines.map(json).filter((line) => "outcome" in line)).toMatchObject([
      { group: "billing", outcome: "applied" },
      { group: "stock", outcome: "applied" },
    ]);
  });

  test("are written as the documentation says", async () => {
    const page = await readFile(join(checkoutRoot, "docs/groups.md"), "utf8");
    const yaml = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? "";
    const planned = await muster(["groups", "plan", "-f", "-", "-o", "json"], {
      input: yaml.replaceAll("ORDERS", "DOCS").replaceAll("orders.", "docs."),
    });
    expect(planned).toMatchObject({ code: 0, err: "" });
    expect(json(planned.out)).toMatchObject({ groups: [{ group: "billing" }, { group: "shipping" }] });
  });

  test("are refused whole, and what is too large says so", async () => {
    const twice = await muster(["groups", "apply", "-f", "-"], { input: `${second}---\n${second}` });
    expect(twice).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining("twice; keep one [bad_file]"),
    });
    const subjects = Array.from({ length: 100 }, (_, i) => `large.${"x".repeat(400)}${i}`).join(", ");
    const large = Array.from(
      { length: 40 },
      (_, i) => `spec: { stream: L, group: g${i}, subjects: [${subjects}], contracts: [order.v1] }\n`,
    ).join("---\n");
    expect(await muster(["groups", "plan", "-f", "-"], { input: large })).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/larger than 1048576 bytes; send fewer at once \[payload_too_large\]/),
    });
  });

  test("say what was made where one fails, and end with 1", async () => {
    // The server refuses the second consumer, which nobody can know before.
    await nc.request(
      "$JS.API.STREAM.CREATE.SMALL",
      JSON.stringify({ name: "SMALL", subjects: ["small.>"], storage: "file", max_consumers: 1 }),
    );
    const groups = ["a", "b", "c"].map((group) => ({
      spec: { ...spec, stream: "SMALL", group, subjects: [`small.${group}`] },
    }));
    const { code, out } = await muster(["groups", "apply", "-f", "-", "--adopt"], {
      input: JSON.stringify({ groups }),
    });
    expect(code).toBe(1);
    expect(out).toMatch(
      /\nSMALL +a +applied +\d+ +consumer created, spec created\nSMALL +b +failed\nSMALL +c +not reached\n/,
    );
    expect(out).toMatch(
      /\ngroup b of stream SMALL failed: NATS refused: [^\n]*\[nats_error\]\n\nwhat is made stays; apply/,
    );
    expect(out).toMatch(/\nstream SMALL +taken over\n/);
    expect((await muster(["groups", "delete", "SMALL", "a", "--yes"])).code).toBe(0);
  });

  test("takes over what others made only when asked, and plan says what", async () => {
    await nc.request(
      "$JS.API.STREAM.CREATE.THEIRS",
      JSON.stringify({
        name: "THEIRS",
        subjects: ["theirs.>"],
        retention: "workqueue",
        storage: "file",
        discard: "old",
      }),
    );
    const theirs = { ...spec, stream: "THEIRS", subjects: ["theirs.>"] };
    const of = (command: string[]) =>
      muster(["groups", ...command, "-f", "-"], { input: JSON.stringify(theirs) });
    expect(await of(["apply"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/with adopt \[foreign\]/),
    });
    const { out } = await of(["plan", "--adopt"]);
    expect(out).toMatch(/^take over stream THEIRS, which others made\n {2}subjects: theirs\.> → [^\n]*\n/);
    expect(out).toContain("\n  discard: old → new\n");
    expect(out).toContain("\n  metadata.muster.kind: source\n");
    expect((await of(["apply", "--adopt"])).out).toMatch(/\nstream THEIRS +taken over\n/);
    expect((await of(["plan"])).out).toMatch(/: nothing to do\n$/);
  });
});

describe("jsonl", () => {
  test("is a line for each group, and for each dead letter, with the cursor beside", async () => {
    const groups = (await muster(["groups", "list", "-o", "jsonl"])).out.trim().split("\n").map(json);
    expect(groups.map(({ stream }) => stream)).toEqual(["ORDERS", "SHOP", "THEIRS"]);
    expect(await muster(["dlq", "list", "ORDERS", "-o", "jsonl"])).toEqual({ code: 0, out: "", err: "" });
    for (let seq = 1; seq <= 3; seq++) await dead(seq);
    const page = await muster(["dlq", "list", "ORDERS", "--limit", "2", "-o", "jsonl"]);
    expect(page.out.trim().split("\n").map(json)).toMatchObject([{ event_id: "e1" }, { event_id: "e2" }]);
    const cursor = /^more: --cursor (\S+)\n$/.exec(page.err)?.[1] ?? "";
    const rest = await muster(["dlq", "list", "ORDERS", "--cursor", cursor, "-o", "jsonl"]);
    expect([json(rest.out)["event_id"], rest.err]).toEqual(["e3", ""]);
  });
});

/** A dead letter that says hostile things wherever it can. */
async function dead(seq: number, evil = ""): Promise<void> {
  const h = headers();
  for (const [name, value] of Object.entries({
    "Muster-Dlq-Id": `dl.billing.0123456789abcdef01234567.${seq}.1`,
    "Muster-Dlq-Seq": String(seq),
    "Muster-Dlq-Subject": "orders.created",
    "Muster-Dlq-Error-Class": `Error${evil}`,
    "Muster-Dlq-Error": `refused${evil}`,
    "Muster-Dlq-Event-Id": `e${seq}${evil}`,
    "Muster-Dlq-Member": `m${evil}`,
    "Muster-Dlq-Language": "go",
    "Muster-Dlq-Version": `1${evil}`,
    "Muster-Dlq-Contract": "order.v1",
    other: evil,
  }))
    h.set(name, value);
  await nc.request("muster.dlq.ORDERS.billing.permanent", `{"a":"<script>${evil}"}`, {
    headers: h,
    timeout: 5000,
  });
}

test("what is hostile in dead letters, jobs and audit is shown, never obeyed, in every form", async () => {
  const evil = "\x1b[2J\x9b31m\u202e\u2066\u200b\u2028\u{e0041}";
  await dead(9, evil);
  const id = "dl.billing.0123456789abcdef01234567.9.1";
  await muster(["jobs", "create", "ORDERS", "--error", "refused"]);
  await muster(["tokens", "create", "--name", `eve${evil}`, "--role", "viewer"]);
  for (const command of [
    ["dlq", "list", "ORDERS"],
    ["dlq", "failures", "ORDERS"],
    ["dlq", "show", "ORDERS", id],
    ["dlq", "export", "ORDERS"],
    ["dlq", "totals", "ORDERS"],
    ["dlq", "replay", "ORDERS", "--error", "refused", "--dry-run"],
    ["jobs", "list"],
    ["tokens", "list"],
    ["audit"],
  ])
    for (const form of ["table", "json", "jsonl"]) {
      const { out, err } = await muster([...command, "-o", form]);
      expect([command, form, out === ""]).toEqual([command, form, false]);
      expect([command, form, `${out}${err}`.match(/[^\P{C}\n]|[\u2028\u2029]/gu)]).toEqual([
        command,
        form,
        null,
      ]);
    }
  // In JSON it is still what it was.
  const shown = json((await muster(["dlq", "show", "ORDERS", id, "-o", "json"])).out);
  expect(shown["payload_text"]).toBe(`{"a":"<script>${evil}"}`);
  const jobs = (await muster(["jobs", "list", "-o", "jsonl"])).out.trim().split("\n");
  const job = String(json(jobs[0] ?? "{}")["id"]);
  for (const form of ["table", "json", "jsonl"])
    expect((await muster(["jobs", "show", job, "-o", form])).out).not.toMatch(/[^\P{C}\n]/u);
});

describe("--watch", () => {
  test.each([
    ["table", /^stream +group /],
    ["json", /^\[\{"stream":"ORDERS"/],
    ["jsonl", /^\{"stream":"ORDERS"/],
  ])("looks again until Ctrl-C, and appends where no terminal is: %s", async (form, line) => {
    const argv = [...cliArgv, "groups", "list", "--watch", "--every", "0.1", "-o", form];
    await using watch = startProcess("watch", argv, { MUSTER_URL: system.url });
    await waitFor("a third look", () => watch.lines.filter((one) => line.test(one)).length >= 3);
    watch.kill("SIGINT");
    expect(await watch.exited).toMatchObject({ code: 0 });
    expect(watch.lines.join("\n")).not.toContain("\x1b");
  });

  test("goes on when the control plane was away and is back", async () => {
    const port = await freePort();
    const env = { NATS_URL: system.server.url, MUSTER_PORT: String(port), MUSTER_HOST: "", MUSTER_AUTH: "" };
    const argv = [...cliArgv, "dlq", "count", "ORDERS", "--watch", "--every", "0.1", "-o", "jsonl"];
    const plane = startProcess("control-plane", planeArgv, env);
    await plane.waitForLine(/"connected"/);
    await using watch = startProcess("watch", argv, { MUSTER_URL: `http://127.0.0.1:${port}` });
    const counts = () => watch.lines.filter((one) => one.startsWith('{"count":')).length;
    await waitFor("a count", () => counts() > 0);
    await plane[Symbol.asyncDispose]();
    await watch.waitForLine(/^muster: no answer; looking again$/);
    const before = counts();
    await using again = startProcess("control-plane", planeArgv, env);
    await again.waitForLine(/"connected"/);
    await waitFor("a count of the new one", () => counts() > before);
  });

  test("ends with what is refused, and with wrong use", async () => {
    expect(await muster(["groups", "get", "ORDERS", "nobody", "--watch"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("[no_group]"),
    });
    expect(await muster(["groups", "list", "--every", "1"])).toMatchObject({ code: 2 });
    expect(await muster(["groups", "list", "--watch", "--every", "0"])).toMatchObject({ code: 2 });
  });
});

/** The CLI on a terminal of its own, which Python has at hand. */
function onTerminal(args: string[]) {
  const script = "import os,pty,sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
  const child = spawn("python3", ["-c", script, ...cliArgv, ...args], {
    env: { ...process.env, MUSTER_URL: system.url, MUSTER_TOKEN: "" },
  });
  let out = "";
  const waiting = new Set<() => void>();
  child.stdout.on("data", (data) => {
    out += String(data);
    for (const look of waiting) look();
  });
  return {
    type: (text: string) => child.stdin.write(text),
    text: () => out,
    until: (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!pattern.test(out)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    ended: async () => (await once(child, "close")) as [number | null],
  };
}

describe("on a terminal", () => {
  test("--watch draws over what was there, and Ctrl-C ends it", async () => {
    const terminal = onTerminal(["groups", "list", "--watch", "--every", "0.1"]);
    await terminal.until(/(\p{Cc}\[H[^]*Ctrl-C ends[^]*SHOP[^]*){2}/u);
    const ended = terminal.ended();
    terminal.type("\x03");
    expect(await ended).toEqual([0, null]);
  });

  test("delete asks for the name, and does nothing for another one", async () => {
    const wrong = onTerminal(["groups", "delete", "SHOP", "stock"]);
    await wrong.until(/loses +nothing[^]*Type the group's name \(stock\) to delete it:/);
    let ended = wrong.ended();
    wrong.type("stok\n");
    expect(await ended).toEqual([1, null]);
    expect(wrong.text()).toContain("[not_confirmed]");
    const right = onTerminal(["groups", "delete", "SHOP", "stock"]);
    await right.until(/to delete it:/);
    ended = right.ended();
    right.type("stock\n");
    expect(await ended).toEqual([0, null]);
    expect((await muster(["groups", "get", "SHOP", "stock"])).err).toContain("[no_group]");
  });

  test("reset asks, and does nothing for anything but yes", async () => {
    await muster(["groups", "apply", "-f", "-", "--retention", "limits"], {
      input: JSON.stringify({ ...spec, stream: "LOG", subjects: ["log.>"] }),
    });
    await muster(["groups", "pause", "LOG", "billing"]);
    const terminal = onTerminal(["groups", "reset", "LOG", "billing", "--to-sequence", "1"]);
    await terminal.until(/would begin at sequence 1[^]*Do it\? Type yes:/);
    const ended = terminal.ended();
    terminal.type("no\n");
    expect(await ended).toEqual([1, null]);
    expect(terminal.text()).toContain("nothing is changed");
  });
});
