import { expect, test } from "vitest";
import type { Context, Handler } from "../src/handle.ts";
import { compose, type Middleware } from "../src/middleware.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- compose only hands it on
const context = { eventId: "e-1" } as Context;

test("without middleware it is the handler itself", () => {
  const handler: Handler<string> = () => "result";
  expect(compose([], handler)).toBe(handler);
});

test("middleware runs around the handler, the first one outermost, and sees the message", async () => {
  const steps: string[] = [];
  const around =
    (name: string): Middleware<string> =>
    async ({ value, context: { eventId } }, next) => {
      steps.push(`${name} before ${value} ${eventId}`);
      const result = await next();
      steps.push(`${name} after ${String(result)}`);
      return result;
    };
  const handler = compose([around("a"), around("b")], (value: string, { eventId }) => {
    steps.push(`handler ${value} ${eventId}`);
    return "result";
  });
  expect(await handler("order", context)).toBe("result");
  expect(steps).toEqual([
    "a before order e-1",
    "b before order e-1",
    "handler order e-1",
    "b after result",
    "a after result",
  ]);
});

test("what a middleware returns is the result, also without the handler", async () => {
  let wasCalled = false;
  const handler = compose([async () => "cached"], () => (wasCalled = true));
  expect(await handler("order", context)).toBe("cached");
  expect(wasCalled).toBe(false);
});

test("an error goes outwards, thrown at once or later, and may be turned into another", async () => {
  const handlers: Handler<string>[] = [
    () => {
      throw new Error("no stock");
    },
    () => Promise.reject(new Error("no stock")),
  ];
  const renamed: Middleware<string> = async (_message, next) => {
    try {
      return await next();
    } catch (cause) {
      throw new Error("renamed", { cause });
    }
  };
  for (const handler of handlers) {
    await expect(compose([renamed, (_m, next) => next()], handler)("order", context)).rejects.toMatchObject({
      message: "renamed",
      cause: { message: "no stock" },
    });
  }
});

test("calling next a second time fails, and does not run the handler again", async () => {
  let runs = 0;
  const twice: Middleware<string> = async (_message, next) => {
    await next();
    return next();
  };
  const handler = compose([twice], () => (runs += 1));
  await expect(handler("order", context)).rejects.toMatchObject({ code: "next_twice" });
  expect(runs).toBe(1);
  // Each message has its own.
  await expect(handler("order", context)).rejects.toMatchObject({ code: "next_twice" });
  expect(runs).toBe(2);
});
