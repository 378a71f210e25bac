import { type Fleet, startFleet } from "./fleet.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";

/** A fleet, and a Prometheus that scrapes it. Disposing of it ends both. */
export type Watched = AsyncDisposable & { readonly fleet: Fleet; readonly prometheus: Prometheus };

/** Starts the fleet, then the Prometheus, under the jobs that the shipped configuration has. */
export async function startWatched(): Promise<Watched> {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(await startFleet());
  const targets = { "muster-control-plane": fleet.controlPlanes, "muster-workers": fleet.workers };
  const prometheus = stack.use(await startPrometheus(targets, fleet.token));
  const kept = stack.move();
  return { fleet, prometheus, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
