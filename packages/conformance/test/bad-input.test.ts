import { connect as connectTcp } from "node:net";
import { describe, expect, test } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { waitFor } from "@muster/testkit";
import { type Group, joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const withAmount = (amount: string): Uint8Array =>
  text(JSON.stringify(order("a")).replace('"amount":10', `"amount":${amount}`));

/** Bodies that no contract accepts, and the error each is to die with. */
const bodies: [name: string, body: Uint8Array, error: string | RegExp][] = [
  ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0xfe, 0x22]), "not UTF-8"],
  ["an empty payload", new Uint8Array(), "empty payload"],
  ["a payload of 900 KB", text(`"${"x".repeat(900_000)}"`), /^does not match order\.v1/],
  ["100,000 nested brackets", text("[".repeat(100_000)), "nested deeper than 64"],
  ["amount 1e400", withAmount("1e400"), "number beyond a double"],
  ["amount NaN", withAmount("NaN"), "not JSON"],
  ["a lone surrogate", withAmount('"\\ud800"'), "lone surrogate"],
  ["not JSON", text("{order"), "not JSON"],
];

describe.each(testLanguages)("%s", (language) => {
  test("what no contract accepts dies with its bytes intact, and the worker lives", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `bodies-${language}` });
    await using worker = joinWorker(language, group);
    for (const [n, [, body]] of bodies.entries()) {
      await publish(server.nc, { subject: group.subject(), eventId: `b.${n}`, body });
    }
    for (const n of bodies.keys()) await group.settled(`b.${n}`, "dead");
    await group.quiet();
    const letters = new Map(
      (await group.deadLetters()).map((one) => [one.headers["Muster-Dlq-Event-Id"], one]),
    );
    for (const [n, [name, body, error]] of bodies.entries()) {
      const letter = letters.get(`b.${n}`);
      expect(letter?.headers["Muster-Dlq-Reason"], name).toBe("invalid");
      expect(letter?.headers["Muster-Dlq-Error"], name).toMatch(error);
      expect(Buffer.from(letter?.body ?? []).equals(body), name).toBe(true);
    }
    await livesOn(group, worker);
  });

  test("one byte over the stream's limit is refused to the publisher; a message at the limit dies whole", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `limit-${language}` });
    const manager = await jetstreamManager(server.nc);
    const { config } = await manager.streams.info(group.stream);
    const head = "NATS/1.0\r\nMuster-Event-Id: big.1\r\n\r\n".length;
    const most = config.max_msg_size - head;
    const send = (size: number): Promise<unknown> =>
      publish(server.nc, {
        subject: group.subject(),
        eventId: "big.1",
        body: new Uint8Array(size).fill(0x20),
      });
    await expect(send(most + 1)).rejects.toThrow(/size exceeds|maximum/i);
    await send(most);
    await using worker = joinWorker(language, group);
    await group.settled("big.1", "dead");
    await group.quiet();
    expect((await group.deadLetters())[0]?.body.length).toBe(most);
    await livesOn(group, worker);
  });

  test("an order id with dots, stars, spaces and 300 characters is an ordinary one", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `ids-${language}` });
    await using _worker = joinWorker(language, group);
    const id = `a.*> ${"x y.".repeat(74)}!`;
    expect(id.length).toBeGreaterThan(300);
    await publish(server.nc, {
      subject: group.subject(),
      eventId: `${id}.created`,
      body: JSON.stringify(order(id)),
    });
    const row = await group.settled(`${id}.created`, "done");
    expect(row.event_id).toBe(`${id}.created`);
  });

  test("a publisher's headers are renamed or dropped, never obeyed", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `headers-${language}` });
    const manager = await jetstreamManager(server.nc);
    const info = await manager.streams.info(group.stream);
    await manager.streams.update(group.stream, { ...info.config, allow_rollup_hdrs: true });
    await using worker = joinWorker(language, group);
    await publish(server.nc, { subject: group.subject(), eventId: "h.0", directive: "permanent" });
    await group.settled("h.0", "dead");
    await group.quiet();
    await publish(server.nc, {
      subject: group.subject("rolled"),
      eventId: "h.1",
      directive: "permanent;text=mine",
      headers: {
        "Nats-Expected-Stream": group.stream,
        "Nats-Rollup": "sub",
        "Muster-Dlq-Reason": "forged",
        "X-Own": "kept",
        "x_!#$%&'*+-.^`|~09": "kept",
        "A/b(c)": "dropped: not every client could write it",
      },
    });
    await group.settled("h.1", "dead");
    await group.quiet();
    const letters = await group.deadLetters();
    expect(letters.map((one) => one.headers["Muster-Dlq-Event-Id"])).toEqual(["h.0", "h.1"]);
    expect(letters[1]?.headers).toMatchObject({
      "Muster-Original-Nats-Expected-Stream": group.stream,
      "Muster-Original-Nats-Rollup": "sub",
      "Muster-Dlq-Reason": "permanent",
      "X-Own": "kept",
      "x_!#$%&'*+-.^`|~09": "kept",
    });
    expect(letters[1]?.headers["Nats-Rollup"]).toBeUndefined();
    expect(letters[1]?.headers).not.toHaveProperty(["A/b(c)"]);
    await livesOn(group, worker);
  });

  test("of a header given twice the last wins, also in the dead letter", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `twice-${language}` });
    await using _worker = joinWorker(language, group);
    const head = "NATS/1.0\r\nMuster-Event-Id: one\r\nMuster-Event-Id: two\r\nX-Own: a\r\nX-Own: b\r\n\r\n";
    await publishRaw(server.url, group.subject(), head, "{}");
    expect((await group.settled("two", "dead")).reason).toBe("invalid");
    await group.quiet();
    expect(await group.row("one")).toBeUndefined();
    expect((await group.deadLetters())[0]?.headers["X-Own"]).toBe("b");
  });
});

/** The same worker, never restarted, still does what comes. */
async function livesOn(
  group: Group,
  worker: { kill(signal: NodeJS.Signals): void; exited: Promise<unknown> },
): Promise<void> {
  await publish(server.nc, { subject: group.subject(), eventId: "after" });
  await group.settled("after", "done");
  worker.kill("SIGTERM");
  expect(await worker.exited).toEqual({ code: 0, signal: null });
}

/** Publishes header bytes as they are: a client library would not write them so. */
async function publishRaw(url: string, subject: string, head: string, body: string): Promise<void> {
  const socket = connectTcp(Number(new URL(url).port), "127.0.0.1");
  let seen = "";
  socket.on("data", (chunk) => (seen += chunk.toString()));
  await waitFor("the server's greeting", () => seen.includes("INFO"));
  socket.write('CONNECT {"headers":true,"verbose":false,"pedantic":false,"lang":"raw","version":"1"}\r\n');
  socket.write(`HPUB ${subject} ${head.length} ${head.length + body.length}\r\n${head}${body}\r\nPING\r\n`);
  await waitFor("the server's PONG", () => seen.includes("PONG"));
  socket.destroy();
}
