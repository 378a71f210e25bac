// Runs a command: one call and its answer, the same again and again, or what a subscription tells.
import { CliError } from "./client.ts";
import { endWithFailure, print, printLine, textOf } from "./output.ts";
import { type Answer, callOf, type Procedure, type ProcedurePath, subscriptionOf } from "./procedures.ts";
import type { Refinement, Run } from "./refinement.ts";
import { watch, type Watching } from "./watch.ts";

/** Does what the command is for. */
export async function perform<P extends ProcedurePath>(
  procedure: Procedure & { path: P },
  refinement: Refinement<P>,
  of: Omit<Run<P>, "call">,
): Promise<void> {
  const { told = {} } = refinement;
  const how = typeof told === "function" ? { people: told } : told;
  if (procedure.type === "subscription") {
    await tell(procedure.path, of, (event) => textOf(of.format === "json" ? "jsonl" : of.format, event, how));
    return;
  }
  const { format, options } = of;
  const run: Run<P> = { ...of, call: callOf<P>(of.client, procedure) };
  const { watch: isWatched, every } = options as Watching;
  if (isWatched !== true && every !== undefined) throw new CliError("--every goes with --watch", 2);
  if (refinement.action !== undefined) return await refinement.action(run);
  const input = refinement.prepare === undefined ? run.input : await refinement.prepare(run);
  if (isWatched === true) return await watch(format, every, () => run.call(input), how);
  const answer = await run.call(input);
  print(format, answer, how);
  if (refinement.isFailure?.(answer, options) === true) endWithFailure();
}

/** A line for each event until Ctrl-C. Comes back by itself when the control plane does; ends with what it refuses. */
async function tell<P extends ProcedurePath>(
  path: P,
  { client, input }: Pick<Run<P>, "client" | "input">,
  line: (event: Answer<P>) => string,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const subscription = subscriptionOf(client, path)(input, {
    onData: (event) => void printLine(line(event)),
    onError: reject,
    onComplete: resolve,
  });
  const end = () => {
    subscription.unsubscribe();
    resolve();
  };
  process.once("SIGINT", end);
  await promise.finally(() => process.off("SIGINT", end));
}
