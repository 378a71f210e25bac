import { expect, test } from "vitest";
import { isNeeded } from "../src/needs.ts";

const config = { stream: "S", group: "g", apiPrefix: "JSF.API" };

test.each([
  "JSF.API.CONSUMER.MSG.NEXT.S.g",
  "$KV.MUSTER_MEMBERS.S.g.m",
  "muster.dlq.S.g.permanent",
  "$JS.ACK.S.g.1.2.3.4.5",
  "$JS.ACK.domain.account.S.g.1.2.3.4.5",
])("without a publish to %s a member cannot work", (subject) => {
  expect(isNeeded({ operation: "publish", subject }, config)).toBe(true);
});

test.each([
  "JSF.APIS.x",
  "$KV.OTHER.x",
  "muster.dlq.S.other.permanent",
  "$JS.ACK.S.other.1.2.3.4.5",
  "$JS.API.STREAM.DELETE.S",
  "_INBOX.of.who.commands",
])("a publish to %s came with a message", (subject) => {
  expect(isNeeded({ operation: "publish", subject }, config)).toBe(false);
});

test.each(["_OWN.abc.*", "muster.member.S.g.m.drain", "muster.push.S.g"])(
  "without a subscription to %s a member cannot work",
  (subject) => {
    const error = { operation: "subscription", subject } as const;
    expect(isNeeded(error, { ...config, inboxPrefix: "_OWN" })).toBe(true);
  },
);

test("what a queue group shares is needed, what a handler subscribes to is not", () => {
  const error = { operation: "subscription", subject: "orders.>" } as const;
  expect(isNeeded({ ...error, queue: "g" }, config)).toBe(true);
  expect(isNeeded(error, config)).toBe(false);
});
