// The whole fleet on the secured server: each role with its own account, all three languages.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot, type Language, languages, type Proc, startProcess, waitFor } from "@muster/testkit";
import type { NatsConnection } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accountsConfig, parseAccounts } from "../../nats/accounts.ts";
import { applyGroup, ask, billing, startControlPlane } from "../live/processes.ts";
import { patienceMs } from "../live/until.ts";
import { type SecuredServer, startSecured } from "./secured.ts";

const pushed = { stream: "PUSHED", group: "g" };
const refused = { code: 4, signal: null };

let site: SecuredServer;
let url: string;
let publisher: NatsConnection;
const workers = new Map<Language, Proc>();

beforeAll(async () => {
  site = await startSecured({ groups: [billing, pushed], publish: ["orders.>", "pushed.>"] });
  url = await site.controlPlane();
  await applyGroup(url, billing, { subjects: ["orders.>"], retry: { max_attempts: 5, backoff_ms: [200] } });
  ({ nc: publisher } = await site.connect("PUBLISHERS"));
  for (const language of languages) workers.set(language, site.worker(language, billing));
  for (const worker of workers.values()) await worker.waitForLine(/"joined"/, patienceMs);
});
afterAll(() => site[Symbol.asyncDispose]());

test("the committed accounts are what the generator makes for the order group", async () => {
  const committed = await readFile(join(checkoutRoot, "infra/nats/accounts.conf"), "utf8");
  expect(committed).toBe(accountsConfig(parseAccounts([])));
});

test("a publisher's orders are done by workers of each language", async () => {
  const doneBy = new Set<string>();
  let n = 0;
  await waitFor(
    "orders done in each language",
    async () => {
      const ids = Array.from({ length: 30 }, () => `o${n++}`);
      await Promise.all(ids.map((id) => publish(id, 10)));
      for (const id of ids) doneBy.add((await settled(id)).language ?? "");
      return languages.every((language) => doneBy.has(language));
    },
    { timeoutMs: patienceMs },
  );
  expect([...doneBy].toSorted()).toEqual(languages.toSorted());
});

test("a dead letter is replayed with an edit, and done", async () => {
  await publish("bad", -1);
  expect(await settled("bad")).toMatchObject({ status: "dead", reason: "permanent" });
  const { items } = await ask<{ items: { id: string }[] }>(url, "GET", "/streams/ORDERS/dead-letters");
  const [letter] = items;
  const edit = { payload_text: JSON.stringify(order("bad", 7)) };
  const replayed = await ask(url, "POST", "/streams/ORDERS/replays", { body: { id: letter?.id, edit } });
  expect(replayed).toMatchObject({ counts: { replayed: 1 } });
  await waitFor("the replay to be done", async () => (await eventOf("bad")).status === "done", {
    timeoutMs: patienceMs,
  });
});

test("the command line works, which knows the control plane only", async () => {
  const argv = [process.execPath, join(checkoutRoot, "apps/cli/src/main.ts"), "groups", "list", "-o", "json"];
  await using cli = startProcess("muster", argv, { MUSTER_URL: url });
  expect(await cli.exited).toEqual({ code: 0, signal: null });
  expect(cli.lines.join("\n")).toContain('"billing"');
});

test("a push group is refused by the worker, which says so, in each language", async () => {
  await applyGroup(url, pushed, { subjects: ["pushed.>"], delivery: { mode: "push" } });
  for (const language of languages) {
    await using worker = site.worker(language, pushed);
    const line = await worker.waitForLine(/"unsupported_spec"/, patienceMs);
    expect(line).toContain("a push group receives nothing across accounts");
  }
});

test.each(languages)("%s: the login of another group's workers ends it with 4", async (language) => {
  const own = site.secured.env.get("WORKERS_ORDERS_billing")?.["NATS_NKEY"] ?? "";
  await using worker = site.worker(language, pushed, { NATS_NKEY: own, WORKER_ID: "stranger" });
  expect(await worker.exited).toEqual(refused);
  expect(worker.lines.filter((line) => line.includes('"not_permitted"')).length).toBeGreaterThan(0);
});

test.each(languages)("%s: a publisher's login ends it with 4", async (language) => {
  const publishers = site.secured.env.get("PUBLISHERS")?.["NATS_NKEY"] ?? "";
  await using worker = site.worker(language, billing, { NATS_NKEY: publishers, WORKER_ID: "stranger" });
  expect(await worker.exited).toEqual(refused);
  expect(worker.lines.filter((line) => line.includes('"not_permitted"')).length).toBeGreaterThan(0);
});

test.each(languages)("%s: no login at all ends it with 4", async (language) => {
  await using worker = site.worker(language, billing, { NATS_NKEY: "", WORKER_ID: "stranger" });
  expect(await worker.exited).toEqual(refused);
  expect(worker.lines.filter((line) => line.includes('"login_refused"')).length).toBeGreaterThan(0);
});

test("the control plane without its login ends with 4", async () => {
  const env = { ...site.secured.env.get("MUSTER"), NATS_NKEY: "", NATS_URL: site.url };
  await using plane = startControlPlane(env);
  expect(await plane.exited).toEqual(refused);
});

test("a member of each language is drained by a command that crosses the accounts", async () => {
  for (const [language, worker] of workers) {
    await ask(url, "POST", `/streams/ORDERS/groups/billing/members/${language}-1/drain`, { body: {} });
    expect(await worker.exited).toEqual({ code: 0, signal: null });
  }
  expect(
    [...workers.values()].flatMap(({ lines }) => lines.filter((line) => line.includes('"server error"'))),
  ).toEqual([]);
});

function order(id: string, amount: number) {
  return { id, customer: "ada", amount, status: "pending", created_at: "2026-01-02T03:04:05Z" };
}

async function publish(id: string, amount: number): Promise<void> {
  const about = headers();
  about.set("Muster-Event-Id", `${id}.created`);
  const answer = await publisher.request("orders.created", JSON.stringify(order(id, amount)), {
    headers: about,
    timeout: patienceMs,
  });
  expect(answer.json()).toMatchObject({ stream: "ORDERS" });
}

type EventView = { status: string; language?: string; reason?: string };

async function eventOf(id: string): Promise<EventView> {
  const view = await ask<{ events: ({ event: string } & EventView)[] }>(
    url,
    "GET",
    `/streams/ORDERS/groups/billing/orders/${id}`,
  );
  return view.events.find(({ event }) => event === "created") ?? { status: "none" };
}

function settled(id: string): Promise<EventView> {
  return waitFor(
    `${id} to be settled`,
    async () => {
      const event = await eventOf(id);
      return event.status === "none" ? undefined : event;
    },
    { timeoutMs: patienceMs },
  );
}
