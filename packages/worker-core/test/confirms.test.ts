import type { Msg } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Confirms } from "../src/confirms.ts";
import type { Connection } from "../src/connection.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Acks over a connection whose server answers when the test says so. */
function open() {
  let answer: (error: null, msg: Msg) => void = () => undefined;
  let change: (isUp: boolean) => void = () => undefined;
  const nats = {
    subscribe: (_: string, { callback }: { callback: typeof answer }) => {
      answer = callback;
      return { unsubscribe: () => undefined };
    },
    isClosed: () => false,
  };
  const onChange = (listener: typeof change) => {
    change = listener;
    return () => undefined;
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what confirms use of a connection
  const confirms = new Confirms({ nats, onChange, newInbox: () => "_INBOX.a" } as unknown as Connection);
  return {
    confirms,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a message only its subject is read
    answer: (subject: string) => answer(null, { subject } as Msg),
    lose: () => change(false),
  };
}

async function isOver(wait: Promise<void> | undefined): Promise<boolean> {
  let over = wait === undefined;
  void wait?.then(() => (over = true));
  await vi.advanceTimersByTimeAsync(0);
  return over;
}

test("waits for the youngest that has no answer yet", async () => {
  const { confirms, answer } = open();
  const [first, second] = [confirms.add(), confirms.add()];
  const youngest = confirms.latest();
  answer(second);
  expect([await isOver(youngest), confirms.count]).toEqual([true, 1]);
  // The youngest has its answer; an older one has not.
  const older = confirms.latest();
  expect(await isOver(older)).toBe(false);
  answer(first);
  expect([await isOver(older), confirms.count, confirms.latest()]).toEqual([true, 0, undefined]);
});

test("does not wait for ever for an answer that never comes", async () => {
  const { confirms, answer } = open();
  confirms.add();
  answer(confirms.add());
  const wait = confirms.latest();
  const another = confirms.latest();
  expect(await isOver(wait)).toBe(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([await isOver(wait), await isOver(another), confirms.count]).toEqual([true, true, 0]);
});

test("ends all waits when the connection is lost, and tells of each", async () => {
  const { confirms, lose } = open();
  const told = vi.fn();
  confirms.onEnd(told);
  confirms.add();
  confirms.add();
  const wait = confirms.latest();
  lose();
  expect([await isOver(wait), confirms.count, told.mock.calls.length]).toEqual([true, 0, 2]);
});
