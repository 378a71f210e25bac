import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type PostgresServer, postgresMissing, startPostgres, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SpecInput } from "../src/groups/spec-input.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { order, startPlane, startSystem, startWorker } from "./system.ts";

const folder = join(import.meta.dirname, "../../../infra/groups");
type Example = { spec: SpecInput; stream?: { retention: "workqueue" } };
const examples = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => [file, JSON.parse(readFileSync(join(folder, file), "utf8")) as Example] as const);

let system: Awaited<ReturnType<typeof startSystem>>;
let plane: Awaited<ReturnType<typeof startPlane>>;
let postgres: PostgresServer | undefined;
beforeAll(async () => {
  system = await startSystem();
  if (postgresMissing() === undefined) postgres = await startPostgres();
  plane = await startPlane(system.server.url, postgres?.url);
});
afterAll(async () => {
  await plane.close();
  await system[Symbol.asyncDispose]();
  await postgres?.stop();
});

test("there is an example of every mode and every ledger", () => {
  const specs = examples.map(([, { spec }]) => SpecInput.parse(spec));
  expect(new Set(specs.map(({ delivery }) => delivery.mode))).toEqual(
    new Set(["pull", "batch", "push", "queue"]),
  );
  expect(new Set(specs.map(({ ledger }) => ledger))).toEqual(new Set(["none", "kv", "postgres"]));
});

test("all examples can be applied side by side, and again", async () => {
  const apply = () => Promise.all(examples.map(([, example]) => plane.client.groups.apply.mutate(example)));
  // One after the other first: then nothing may be left to do.
  for (const [, example] of examples) await plane.client.groups.apply.mutate(example);
  const changes = (await apply()).flatMap((applied) => applied.changes.map(({ change }) => change));
  expect(new Set(changes)).toEqual(new Set(["unchanged"]));
  const listed = await plane.client.groups.list.query();
  expect(listed.map(({ stream, group }) => `${stream} ${group}`).sort()).toEqual(
    examples.map(([, { spec }]) => `${spec.stream} ${spec.group}`).sort(),
  );
});

const runnable = examples.filter(
  ([, { spec }]) => spec.ledger !== "postgres" || postgresMissing() === undefined,
);

test.each(runnable)("a member works by %s", async (file, { spec: given }) => {
  const spec = SpecInput.parse(given);
  const { stream, group } = spec;
  await using _ = await startWorker(system.server.url, spec, { DATABASE_URL: postgres?.url ?? "" });
  const subject = (spec.subjects[0] ?? "").replace(/[*>]/, "created");
  const send = () =>
    system.nats.nc.publish(subject, JSON.stringify(order(file)), {
      headers: toMsgHdrs({ "Muster-Event-Id": file }),
    });
  const isQueue = spec.delivery.mode === "queue";
  if (!isQueue) send();
  const view = await waitFor(
    "the order to be done",
    async () => {
      // A queue group that is not subscribed yet misses what is sent.
      if (isQueue) send();
      const now = await plane.client.groups.get.query({ stream, group });
      return now.counts.done > 0 && now.ack_pending === 0 ? now : undefined;
    },
    { everyMs: 200 },
  );
  expect(view.members).toMatchObject([{ delivery: spec.delivery.mode, degraded: false, restart_needed: [] }]);
  const account = await plane.client.verify.query({ stream, group });
  const isTraced = spec.ledger !== "none";
  expect([account.ok, account.no_account === undefined]).toEqual([isTraced, isTraced]);
  const { done, untraced, waiting, lost } = account.terms;
  // The example of a queue group sees what is published for a stream too: there it is one more.
  expect([done > 0, untraced > 0, waiting, lost]).toEqual([isTraced, !isTraced && !isQueue, 0, 0]);
});
