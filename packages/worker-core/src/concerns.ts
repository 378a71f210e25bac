import type { Handler } from "./handle.ts";
import type { Middleware } from "./middleware.ts";
import { compose } from "./middleware.ts";
import type { AnyHandler } from "./mode.ts";
import { isTracing, withBatchSpan, withSpan } from "./trace.ts";

/** The handler with the middleware around it and a span around both; without an SDK no span costs anything. */
export function withConcerns(
  { handler, batchHandler }: AnyHandler,
  middleware: readonly Middleware[],
  group: string,
): AnyHandler {
  if (batchHandler !== undefined) {
    return {
      batchHandler: (messages, context) =>
        isTracing()
          ? withBatchSpan(group, messages, () => batchHandler(messages, context))
          : batchHandler(messages, context),
    };
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- middleware sees the value as unknown
  const run = compose(middleware, handler as Handler) as Handler<never>;
  return {
    handler: (value, context) =>
      isTracing() ? withSpan(group, context, () => run(value, context)) : run(value, context),
  };
}
