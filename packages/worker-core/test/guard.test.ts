import { afterAll, beforeAll, expect, test } from "vitest";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import { Breaker } from "../src/breaker.ts";
import { PermanentError } from "../src/index.ts";
import { TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

test("a pull whose request got lost while messages wait is made again, and told", async () => {
  await using group = await TestGroup.create(server);
  // Between the member and the API, so that a request can be lost there as in a change of leader.
  let lost = 0;
  const between = group.nats.subscribe("LOSSY.>", {
    callback: (_error, msg) => {
      if (msg.subject.includes("MSG.NEXT") && lost < 1) {
        lost += 1;
        return;
      }
      const subject = msg.subject.replace("LOSSY", "$JS.API");
      group.nats.publish(subject, msg.data, msg.reply === undefined ? {} : { reply: msg.reply });
    },
  });
  const worker = await group.worker(undefined, { stallMs: 300, config: { apiPrefix: "LOSSY" } });
  const stalled = Promise.withResolvers<void>();
  worker.on("stalled", () => stalled.resolve());
  await waitFor("the request to be lost", () => lost === 1);
  await group.publish();
  await stalled.promise;
  await group.empty();
  between.unsubscribe();
});

test("silence is right while nothing waits: no pull is made again", async () => {
  await using group = await TestGroup.create(server);
  let stalls = 0;
  const worker = await group.worker(undefined, { stallMs: 150 });
  worker.on("stalled", () => (stalls += 1));
  const looked = async (): Promise<number> => (await group.jsm.consumers.info(group.stream, "g")).num_waiting;
  await waitFor("a request", async () => (await looked()) > 0);
  // Longer than several looks of the watchdog, measured by heartbeats and not by the clock.
  const [first] = await group.members();
  await waitFor("ten heartbeats", async () => {
    const entry = await (await group.bucket("MUSTER_MEMBERS")).get(`${group.stream}.g.${first?.id ?? ""}`);
    return (entry?.revision ?? 0) > 10;
  });
  await group.publish();
  await group.empty();
  expect(stalls).toBe(0);
});

test("the breaker stops the pull when too many attempts fail, and lets messages through after its pause", async () => {
  await using group = await TestGroup.create(server, {
    concurrency: 1,
    retry: { max_attempts: 50, backoff_ms: [10] },
    breaker: { failure_share: 0.5, min_attempts: 4, window_ms: 60_000, pause_ms: 500 },
  });
  let isBroken = true;
  let attempts = 0;
  const told: string[] = [];
  const worker = await group.worker(() => {
    attempts += 1;
    if (isBroken) {
      throw new Error("the shop is down");
    }
  });
  worker.on("degraded", ({ error }) => told.push(error));
  worker.on("recovered", () => told.push("recovered"));
  for (let n = 0; n < 5; n++) {
    await group.publish();
  }
  await waitFor("the breaker to open", () => told.length > 0);
  await waitFor("the record", async () => (await group.members())[0]?.degraded === true);
  isBroken = false;
  await group.empty();
  expect(told.slice(0, 2)).toEqual(["too many attempts fail", "recovered"]);
  expect(attempts).toBeGreaterThanOrEqual(9);
});

test("the breaker counts neither permanent failures nor too few attempts, and needs a spec that asks for it", () => {
  const opened: boolean[] = [];
  const limits = { failure_share: 0.5, min_attempts: 4, window_ms: 1000, pause_ms: 60_000 };
  const breaker = new Breaker(
    () => limits,
    (isOpen) => opened.push(isOpen),
  );
  for (const failed of [true, true, true]) {
    breaker.attemptEnded(failed);
  }
  expect(breaker.isOpen).toBe(false);
  for (const failed of [false, false, false, false, false]) {
    breaker.attemptEnded(failed);
  }
  expect(breaker.isOpen).toBe(false);
  breaker.attemptEnded(true);
  breaker.attemptEnded(true);
  expect(breaker.isOpen).toBe(true);
  breaker.close();
  const none = new Breaker(
    () => undefined,
    () => opened.push(true),
  );
  for (let n = 0; n < 100; n++) {
    none.attemptEnded(true);
  }
  expect(opened).toEqual([true]);
});

test("middleware runs around the handler, sees what it returns and throws, and may answer itself", async () => {
  await using group = await TestGroup.create(server);
  const seen: string[] = [];
  await group.worker((job) => ({ handled: job.job }), {
    middleware: [
      async ({ context }, next) => {
        seen.push(`before ${context.eventId}`);
        const result = await next();
        seen.push(`after ${JSON.stringify(result)}`);
        return result;
      },
      async ({ context }, next) => {
        if (context.eventId === "refused") {
          throw new PermanentError("not allowed");
        }
        return next();
      },
    ],
  });
  await group.publish({ eventId: "good" });
  expect((await group.settled("good")).result).toEqual({ handled: "good" });
  await group.publish({ eventId: "refused" });
  expect((await group.settled("refused", "dead")).headers?.["Muster-Dlq-Error"]).toBe("not allowed");
  expect(seen).toEqual(["before good", 'after {"handled":"good"}', "before refused"]);
});
