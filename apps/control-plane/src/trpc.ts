// tRPC's base: the context, how errors look from outside, and the procedure all others start from.
import { MusterError } from "@muster/contracts";
import { initTRPC } from "@trpc/server";
import { toTrpcError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Database } from "./ledger/database.ts";
import { Ledgers } from "./ledger/ledgers.ts";
import type { NatsLink } from "./nats/connection.ts";

/**
 * What procedures get. `nats.current()` throws `nats_down` while there is no connection; a database
 * there is only where the control plane was given one.
 */
export type Context = { nats: NatsLink; database: Database | undefined; log: Log };

/** The ledgers of all groups, as one request sees them. */
export function ledgersOf({ nats, database }: Context): Ledgers {
  return new Ledgers(nats.current(), database);
}

const t = initTRPC.context<Context>().create({
  isDev: false,
  errorFormatter({ shape, error }) {
    const code = error.cause instanceof MusterError ? error.cause.code : shape.data.code.toLowerCase();
    const isOurs = error.cause instanceof MusterError || error.code !== "INTERNAL_SERVER_ERROR";
    const { code: trpcCode, httpStatus, path } = shape.data;
    return {
      ...shape,
      message: isOurs ? readable(error) : "internal error; the control plane's log says more",
      // No stack: it tells an attacker what we run, and the caller nothing.
      data: { code: trpcCode, httpStatus, path, muster_code: code },
    };
  },
});

export const router = t.router;

/** A procedure whose errors carry a stable code in `data.muster_code`. */
export const procedure = t.procedure.use(async ({ ctx, path, next }) => {
  const result = await next();
  if (result.ok) return result;
  const error = toTrpcError(result.error);
  if (error.code === "INTERNAL_SERVER_ERROR")
    ctx.log.error(
      { path, error: String(error.cause ?? error), stack: error.cause?.stack },
      "procedure failed",
    );
  return { ...result, error };
});

// Zod's own message is JSON; say where and what in words.
function readable(error: { message: string; cause?: unknown }): string {
  const issues = (error.cause as { issues?: { path: PropertyKey[]; message: string }[] } | undefined)?.issues;
  if (!Array.isArray(issues)) return error.message;
  return issues.map(({ path, message }) => `${path.map(String).join(".") || "input"}: ${message}`).join("; ");
}
