import type { WorkerConfig } from "./config.ts";
import type { AnyHandler } from "./mode.ts";

export type Middleware = unknown;
export function withConcerns(
  handler: AnyHandler,
  _middleware: readonly Middleware[],
  _config: WorkerConfig,
): AnyHandler {
  return handler;
}
