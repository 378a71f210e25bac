import { MusterError } from "@muster/contracts";
import type { Context, Handler } from "./handle.ts";

/** A message on its way to its handler. */
export interface MiddlewareMessage<T = unknown> {
  /** As the contract's schema has let it through. */
  readonly value: T;
  readonly context: Context;
}

/**
 * A concern around the handler, for every message: what is before `next()` runs before it, what is after it
 * afterwards. What it returns is the result, what it throws is the failure, by the handler's rules. It may
 * return or throw without calling `next`, which passes the handler over.
 *
 * `next` runs the rest once and gives its result, to be awaited; a second call throws a MusterError `next_twice`.
 */
export type Middleware<T = unknown> = (
  message: MiddlewareMessage<T>,
  next: () => Promise<unknown>,
) => Promise<unknown>;

/** The handler with middleware around it, the first one outermost. Without any it is the handler itself. */
export function compose<T>(middleware: readonly Middleware<T>[], handler: Handler<T>): Handler<T> {
  return middleware.reduceRight<Handler<T>>((inner, outer) => wrap(outer, inner), handler);
}

function wrap<T>(middleware: Middleware<T>, inner: Handler<T>): Handler<T> {
  return (value, context) => {
    let wasCalled = false;
    return middleware({ value, context }, async () => {
      if (wasCalled) {
        throw new MusterError("next_twice", "a middleware called next a second time for one message");
      }
      wasCalled = true;
      return inner(value, context);
    });
  };
}
