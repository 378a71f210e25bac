import { audit, tokens } from "./routers/access.ts";
import { deadLetters } from "./routers/dead-letters.ts";
import { doctor } from "./routers/doctor.ts";
import { groups } from "./routers/groups.ts";
import { jobs } from "./routers/jobs.ts";
import { orders } from "./routers/orders.ts";
import { verify } from "./routers/verify.ts";
import { router } from "./trpc.ts";

/** All procedures of the control plane. */
export const appRouter = router({ groups, orders, deadLetters, jobs, verify, doctor, tokens, audit });

/** What a client needs to know of it: the type alone. */
export type AppRouter = typeof appRouter;

/** A procedure by its names: `groups.list`. */
export type ProcedurePath = Paths<AppRouter["_def"]["record"]>;

type Paths<T> = {
  [K in keyof T & string]: T[K] extends { _def: { procedure: true } } ? K : `${K}.${Paths<T[K]>}`;
}[keyof T & string];
