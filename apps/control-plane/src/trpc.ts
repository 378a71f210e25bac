// tRPC's base: the context, how errors look from outside, and the procedure all others start from.
import { initTRPC } from "@trpc/server";
import { type Access, type Caller, forbidden } from "./access/access.ts";
import { audited, auditRefusal } from "./access/audited.ts";
import { allows, type Role } from "./access/roles.ts";
import { endingWith } from "./access/streams.ts";
import { answerOf } from "./error-answer.ts";
import { toTrpcError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Database } from "./ledger/database.ts";
import { Ledgers } from "./ledger/ledgers.ts";
import type { NatsLink } from "./nats/connection.ts";

/**
 * What procedures get. `nats.current()` throws `nats_down` while there is no connection; a database
 * there is only where the control plane was given one.
 */
export type Context = {
  nats: NatsLink;
  database: Database | undefined;
  log: Log;
  access: Access;
  caller: Caller;
  /** Aborts when the control plane stops: what streams answers has to end. */
  stopping: AbortSignal;
};

/** What each procedure says of itself. */
type Meta = {
  role: Role;
  /** A mutation by its size only, which changes nothing. */
  isReading?: boolean;
  /** Its input is other people's data, which does not belong into a record that nobody can delete. */
  isPrivate?: boolean;
};

/** The ledgers of all groups, as one request sees them. */
export function ledgersOf({ nats, database }: Context): Ledgers {
  return new Ledgers(nats.current(), database);
}

const t = initTRPC
  .context<Context>()
  .meta<Meta>()
  .create({
    isDev: false,
    errorFormatter({ shape, error, ctx }) {
      const { code, message } = answerOf(error);
      const { code: trpcCode, httpStatus, path } = shape.data;
      return {
        ...shape,
        message,
        data: { code: trpcCode, httpStatus, path, muster_code: code, request_id: ctx?.caller.requestId },
      };
    },
  });

export const router = t.router;

const withErrors = t.procedure.use(async ({ ctx, path, next }) => {
  const result = await next();
  if (result.ok) return result;
  const error = toTrpcError(result.error);
  if (error.code === "INTERNAL_SERVER_ERROR")
    ctx.log.error(
      {
        path,
        request_id: ctx.caller.requestId,
        error: String(error.cause ?? error),
        stack: error.cause?.stack,
      },
      "procedure failed",
    );
  return { ...result, error };
});

const withAccess = withErrors.use(async ({ ctx, path, type, meta, signal, getRawInput, next }) => {
  const { access, caller, nats } = ctx;
  const actor = await access
    .actor(() => nats.current(), caller)
    .catch((error: unknown) => {
      const { requestId: request_id, remote } = caller;
      ctx.log.warn({ path, request_id, remote, error: String(error) }, "not let in");
      throw error;
    });
  const about = { actor, action: path, requestId: caller.requestId, log: ctx.log };
  // Without a role nobody may: a procedure that forgot to declare one is closed.
  const needs = meta?.role ?? "nobody";
  if (needs === "nobody" || !allows(actor.role, needs)) {
    const error = forbidden(actor, needs);
    await auditRefusal(nats.current(), { ...about, error });
    throw error;
  }
  const withActor = () => next({ ctx: { ...ctx, actor } });
  if (type === "subscription") {
    const place = access.stream(() => nats.current(), actor, caller);
    const stopping = AbortSignal.any([ctx.stopping, place.signal]);
    const result = await next({ ctx: { ...ctx, actor, stopping } });
    if (result.ok)
      return { ...result, data: endingWith(result.data as AsyncIterable<unknown>, place.end, signal) };
    place.end();
    return result;
  }
  if (type !== "mutation" || meta?.isReading === true) return withActor();
  const input = meta?.isPrivate === true ? {} : { input: await getRawInput() };
  return audited(nats.current(), { ...about, ...input }, withActor);
});

/** For procedures that look. Errors carry a stable code in `data.muster_code`. */
export const viewer = withAccess.meta({ role: "viewer" });

/** For what changes nothing but is posted, because its input is larger than what a URL holds. */
export const reader = withAccess.meta({ role: "viewer", isReading: true });

/** For procedures that steer what is there. */
export const operator = withAccess.meta({ role: "operator" });

/** For procedures that make and delete, and give access. */
export const admin = withAccess.meta({ role: "admin" });
