import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Account } from "@muster/contracts";
import { expect, it } from "vitest";
import { controlPlaneAt } from "../src/demo/control-plane.ts";
import { crossCheck, type Verified, verifiedText } from "../src/demo/cross-check.ts";

const account: Account = {
  published: 10,
  done: 8,
  dead: 2,
  dead_by_reason: { permanent: 2 },
  done_by_language: { ts: 8 },
  lost: [],
  repeated: [],
  invented: [],
};
const right: Verified = {
  stream: "ORDERS",
  group: "demo",
  ok: true,
  terms: {
    accepted: 10,
    done: 8,
    dead: 2,
    archived: 0,
    waiting: 0,
    lost: 0,
    untraced: 0,
    repeats: 1,
    conflicts: 0,
    ready: 0,
    in_flight: 0,
    backing_off: 0,
  },
  lost: [],
  looks: 1,
  cannot_see: [],
};

/** What the demo makes of a control plane that answers this. */
async function check(answer: unknown, status = 200): Promise<{ asked: string; problems: string[] }> {
  let asked = "";
  await using stack = new AsyncDisposableStack();
  const server = createServer((request, response) => {
    asked = decodeURIComponent(request.url ?? "");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  stack.defer(() => void server.close());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const plane = controlPlaneAt(`http://127.0.0.1:${port}`);
  const names = { stream: "ORDERS", group: "demo", subjectRoot: "orders" };
  const { problems } = await crossCheck(plane, names, account);
  return { asked, problems };
}

const answer = (changes: Partial<Verified["terms"]>, lost: Verified["lost"] = []): unknown => ({
  result: { data: { ...right, terms: { ...right.terms, ...changes }, lost, ok: lost.length === 0 } },
});

it("asks for the demo's group, and has nothing to say when the figures are the same", async () => {
  const { asked, problems } = await check(answer({}));
  expect(asked).toBe('/verify?input={"stream":"ORDERS","group":"demo"}');
  expect(problems).toEqual([]);
});

it.each([
  [{ accepted: 11, done: 9 }, ["accepted 11, the demo found 10", "done 9, the demo found 8"]],
  [{ done: 7, dead: 3 }, ["done 7, the demo found 8", "dead 3, the demo found 2"]],
  [{ dead: 1, archived: 1 }, ["dead 1, the demo found 2", "archived 1, the demo found 0"]],
  [{ done: 7, waiting: 1 }, ["done 7, the demo found 8", "waiting 1, the demo found 0"]],
  [{ conflicts: 1 }, ["conflicts 1, the demo found 0"]],
])("names each figure that differs: %j", async (changes, expected) => {
  const { problems } = await check(answer(changes));
  expect(problems).toEqual(expected.map((text) => `verify disagrees: ${text}`));
});

it("names what verify calls lost", async () => {
  const { problems } = await check(answer({ lost: 2 }, [{ event_id: "o-1.created" }, { sequence: 7 }]));
  expect(problems).toEqual(["verify disagrees: lost 2 (o-1.created, message 7), the demo found 0"]);
});

it("fails when verify does", async () => {
  const error = { message: "NATS is down", code: -32603, data: { muster_code: "nats_down" } };
  await expect(check({ error }, 500)).rejects.toThrow("NATS is down");
});

it("tells the terms in a line", () => {
  expect(verifiedText(right)).toBe("verify: accepted 10 = done 8 + dead 2 + archived 0 + waiting 0 + lost 0");
});
