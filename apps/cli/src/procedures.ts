// The control plane's procedures: what each takes, from the document that is generated from its router.
import type { AppRouter, ListedProcedure, ProcedurePath } from "@muster/control-plane";
import document from "@muster/control-plane/procedures.json" with { type: "json" };
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import type { Client } from "./client.ts";

export type { ProcedurePath } from "@muster/control-plane";

/** As much of JSON Schema as commands are made of. */
export type Schema = {
  type?: string;
  format?: string;
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  anyOf?: readonly Schema[];
};

/** A procedure as the document has it. */
export type Procedure = Omit<ListedProcedure, "input"> & { input?: Schema };

/** All of them, in the order of the REST interface. */
export const procedures = document.procedures as unknown as readonly Procedure[];

type At<T, P> = P extends `${infer Head}.${infer Rest}`
  ? Head extends keyof T
    ? At<T[Head], Rest>
    : never
  : P extends keyof T
    ? T[P]
    : never;

/** What a procedure takes. */
export type Input<P extends ProcedurePath> = At<inferRouterInputs<AppRouter>, P>;

/** What a procedure answers with; of a subscription, what it tells one at a time. */
export type Answer<P extends ProcedurePath> =
  At<inferRouterOutputs<AppRouter>, P> extends AsyncIterable<infer Event>
    ? Event
    : At<inferRouterOutputs<AppRouter>, P>;

/** A procedure of the client, by its path. */
export function callOf<P extends ProcedurePath>(
  client: Client,
  { path, type }: Pick<Procedure, "path" | "type">,
): (input: Input<P>) => Promise<Answer<P>> {
  const call = at(client, path) as Record<"query" | "mutate", (input: Input<P>) => Promise<Answer<P>>>;
  return (input) => (type === "query" ? call.query(input) : call.mutate(input));
}

/** How a subscription is begun, and what it tells. */
type Subscribe<E> = (
  input: unknown,
  on: { onData: (event: E) => void; onError: (error: unknown) => void; onComplete: () => void },
) => { unsubscribe: () => void };

/** A subscription of the client, by its path. */
export function subscriptionOf<P extends ProcedurePath>(client: Client, path: P): Subscribe<Answer<P>> {
  const { subscribe } = at(client, path) as { subscribe: Subscribe<Answer<P>> };
  return subscribe;
}

function at(client: Client, path: string): unknown {
  return path.split(".").reduce<unknown>((part, name) => Reflect.get(part as object, name), client);
}
