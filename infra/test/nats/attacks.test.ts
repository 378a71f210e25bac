// Each role tries what it must not: on the secured server nothing comes of it, elsewhere the same attack does harm.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNats, waitFor } from "@muster/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, createInbox, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { servicesOf } from "../../nats/accounts.ts";
import { applyGroup, billing, readyControlPlane, startControlPlane } from "../live/processes.ts";
import { type Attack, attacks, shipping } from "./attacks.ts";
import { facts, fill } from "./harm.ts";
import { type SecuredServer, startSecured } from "./secured.ts";

type Role = Awaited<ReturnType<SecuredServer["connect"]>>;

/** What is permitted on the secured server is written there: it is no harm. */
const permitted = new Set(attacks.flatMap(({ subject, isPermitted }) => (isPermitted ? [subject] : [])));

let site: SecuredServer | undefined;
let owner: NatsConnection;
let before: Record<string, string>;
let store: string;
let controlPlane: Role;
const roles = new Map<Attack["as"], Role>();

beforeAll(async () => {
  store = await makeStore();
  site = await startSecured({ groups: [billing, shipping] });
  await applyGroups(await site.controlPlane());
  controlPlane = await site.connect("MUSTER");
  owner = controlPlane.nc;
  await fill(owner);
  roles.set("worker", await site.connect("WORKERS_ORDERS_billing"));
  roles.set("publisher", await site.connect("PUBLISHERS"));
  before = await facts(owner, permitted);
});
afterAll(async () => {
  await site?.[Symbol.asyncDispose]();
  await rm(store, { recursive: true });
});

test.each(attacks)("$name: not on the secured server", async (attack) => {
  const role = roles.get(attack.as);
  if (role === undefined) throw new Error(`nobody is a ${attack.as}`);
  const refusedBefore = role.refusals.length;
  // Under the prefix that workers know, too.
  const subjects = new Set([attack.subject, attack.subject.replace("$JS.API", "JSF.API")]);
  for (const subject of subjects) expect(await commit(role, { ...attack, subject })).toBe(false);
  await role.nc.flush();
  if (attack.isPermitted === undefined) {
    const said = () => role.refusals.slice(refusedBefore).join();
    for (const subject of subjects)
      await waitFor(`a refusal of ${subject}`, () => said().includes(`Publish to "${subject}"`));
  }
  expect(await facts(owner, permitted)).toEqual(before);
});

test.each(attacks)("$name: it does harm where nothing keeps the roles apart", async (attack) => {
  await using stack = new AsyncDisposableStack();
  const copy = await mkdtemp(join(tmpdir(), "muster-attacked-"));
  stack.defer(() => rm(copy, { recursive: true }));
  await cp(store, copy, { recursive: true });
  const config = attack.worksOn === "open" ? "" : oneAccount();
  const server = stack.use(await startNats({ storeDir: copy, config }));
  const as = async (user: string) => {
    const login = config === "" ? {} : { user, pass: user };
    const nc = await connect({ servers: server.url, noAsyncTraces: true, ...login });
    stack.defer(() => nc.close());
    return nc;
  };
  const [all, attacker] = [await as("owner"), await as(attack.as)];
  const own = attack.isPermitted ? new Set([attack.subject]) : new Set<string>();
  const intact = JSON.stringify(await facts(all, own));
  const got = await commit({ nc: attacker, inboxes: "_INBOX" }, attack);
  if (attack.isRead) return expect(got).toBe(true);
  await waitFor("harm", async () => JSON.stringify(await facts(all, own)) !== intact);
});

test.each([
  { last_by_subj: "$KV.MUSTER_LEDGER.ORDERS.shipping.row" },
  { seq: 1, next_by_subj: "$KV.MUSTER_LEDGER.ORDERS.shipping.>" },
  { multi_last: ["$KV.MUSTER_LEDGER.ORDERS.shipping.>"] },
])("a get that is permitted gives nothing else when its body asks for it: %j", async (body) => {
  const root = "DIRECT.GET.KV_MUSTER_LEDGER";
  const read = async (nc: NatsConnection, subject: string) =>
    (await nc.request(subject, JSON.stringify(body), { timeout: 2000 })).string();
  // Without a key in the subject the body decides.
  expect(await read(owner, `$JS.API.${root}`)).toContain("shipping");
  const worker = roles.get("worker")?.nc;
  if (worker === undefined) throw new Error("nobody is a worker");
  expect(await read(worker, `JSF.API.${root}.$KV.MUSTER_LEDGER.ORDERS.billing.row`)).not.toContain(
    "shipping",
  );
});

test.each([">", "orders.>", "$KV.>", "$JS.EVENT.>", "muster.member.ORDERS.shipping.>", "_INBOX.>"])(
  "nobody listens to %s",
  async (subject) => {
    for (const { nc, refusals } of roles.values()) {
      nc.subscribe(subject, { callback: () => undefined });
      await waitFor("a refusal", () => refusals.join().includes(`Subscription to "${subject}"`));
    }
  },
);

test("the control plane neither acks nor listens, and has no say beyond its account", async () => {
  const { nc, refusals } = controlPlane;
  nc.subscribe("orders.>", { callback: () => undefined });
  for (const subject of ["$JS.ACK.ORDERS.shipping.1.2.1.1.0", "$SYS.REQ.SERVER.PING", "_INBOX_PUBLISHERS.x"])
    nc.publish(subject, "+ACK");
  await nc.flush();
  for (const what of [
    'Subscription to "orders.>"',
    'Publish to "$JS.ACK',
    'Publish to "$SYS',
    'Publish to "_INBOX',
  ])
    await waitFor(what, () => refusals.join().includes(what));
  expect(await facts(owner, permitted)).toEqual(before);
});

/** Commits it; true when it got an answer with something in it. */
async function commit(
  { nc, inboxes }: Pick<Role, "nc" | "inboxes">,
  { subject, body = "", reply, header, isRead }: Attack,
): Promise<boolean> {
  const about = headers();
  if (header !== undefined) about.set(...header);
  const options = header === undefined ? {} : { headers: about };
  if (isRead) {
    const answer = await nc.request(subject, body, { timeout: 2000 }).catch(() => undefined);
    return answer !== undefined && answer.data.length > 0 && !answer.string().includes('"error"');
  }
  // The server delivers only to who listens, and a moment later.
  const inbox = createInbox(inboxes);
  nc.subscribe(inbox, { callback: () => undefined });
  nc.publish(subject, body, { ...options, reply: reply ?? inbox });
  await nc.flush();
  return false;
}

async function applyGroups(url: string): Promise<void> {
  const subjects = { billing: ["orders.created", "orders.updated"], shipping: ["orders.shipped"] };
  for (const [group, filter] of Object.entries(subjects))
    await applyGroup(url, { stream: "ORDERS", group }, { subjects: filter });
}

/** The store of a server with the same in it, which also has what the protocol forbids: rollups allowed. */
async function makeStore(): Promise<string> {
  const storeDir = await mkdtemp(join(tmpdir(), "muster-attacks-"));
  await using server = await startNats({ storeDir });
  await using plane = startControlPlane({ NATS_URL: server.url });
  await applyGroups(await readyControlPlane(plane));
  const nc = await connect({ servers: server.url });
  await fill(nc);
  const manager = await jetstreamManager(nc);
  for (const name of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_MEMBERS", "KV_MUSTER_LEDGER", "KV_MUSTER_ATTEMPTS"])
    await manager.streams.update(name, { allow_rollup_hdrs: true, deny_purge: false });
  await nc.close();
  await server.stop();
  return storeDir;
}

/** One account in which each role may publish just what it may on the secured server. */
function oneAccount(): string {
  const { api, plain } = servicesOf(billing);
  const publish = JSON.stringify([...api, ...plain].map(({ subject }) => subject));
  return `authorization { users: [
    { user: owner, password: owner }
    { user: worker, password: worker, permissions: { publish: ${publish}, subscribe: ["_INBOX.>"] } }
    { user: publisher, password: publisher, permissions: { publish: ["orders.>"], subscribe: ["_INBOX.>"] } }
  ] }`;
}
