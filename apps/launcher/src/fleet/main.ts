import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { languages, type PostgresServer, startNats, startPostgres, workerCommand } from "@muster/testkit";
import { jetstream } from "@nats-io/jetstream";
import { Children } from "../demo/children.ts";
import { startControlPlane } from "../demo/control-plane.ts";
import { namesOf } from "../demo/group.ts";
import { connectTo } from "../demo/server.ts";
import { listenForSignals, Stopped } from "../demo/signals.ts";
import { until } from "../demo/wait.ts";
import { balancesTable } from "./books.ts";
import { fleetHelp, type FleetOptions, readOptions } from "./options.ts";
import { SEATS_EACH, seatsOf } from "./plan.ts";
import { isGood, type Outcome, outcomeJson, outcomeText } from "./report.ts";
import { run } from "./run.ts";
import { Seat } from "./seat.ts";
import { fleetSpec } from "./spec.ts";

const JOIN_MS = 60_000;
/** Two members' worth of connections beyond what all hold: those of killed ones end a moment later. */
const MAX_CONNECTIONS = "150";

/** `./muster fleet`: reads the arguments, plays, gives the exit code. */
export async function fleet(args: readonly string[]): Promise<number> {
  const read = readOptions(args);
  switch (read.type) {
    case "help":
      process.stdout.write(fleetHelp);
      return 0;
    case "bad":
      process.stderr.write(`muster fleet: ${read.problem}; ./muster fleet --help shows the options\n`);
      return 2;
    case "run":
      return await play(read.options);
  }
}

async function play(options: FleetOptions): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "muster-fleet-"));
  const stop = new AbortController();
  const fail = (error: Error): void => stop.abort(error);
  const children = new Children(dir, fail);
  using _signals = listenForSignals(stop, () => children.killAll());
  let outcome: Outcome | undefined;
  try {
    outcome = await perform(options, dir, children, { signal: stop.signal, fail });
    say(`\n${outcomeText(outcome)}`);
  } catch (error) {
    // What made everything stop is the cause; that a wait ended for it is not.
    const cause: unknown = stop.signal.aborted ? stop.signal.reason : error;
    process.stderr.write(`muster fleet: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    if (cause instanceof Stopped) {
      await rm(dir, { recursive: true, force: true });
      return cause.exitCode;
    }
  }
  const isFine = outcome !== undefined && isGood(outcome);
  if (isFine) await rm(dir, { recursive: true, force: true });
  else say(`the logs are in ${dir}; play it again with --seed ${options.seed}`);
  if (options.json && outcome !== undefined) say(JSON.stringify(outcomeJson(outcome)));
  return isFine ? 0 : 1;
}

async function perform(
  options: FleetOptions,
  dir: string,
  children: Children,
  { signal, fail }: { signal: AbortSignal; fail: (error: Error) => void },
): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(children.remember(await startNats({ detached: true })));
  const database = options.ledger === "postgres" ? stack.use(await openDatabase()) : undefined;
  signal.throwIfAborted();
  const names = { ...namesOf(false, ""), group: "fleet" };
  const nc = stack.adopt(await connectTo(server.url), (connection) => connection.close());
  const env: Record<string, string> = database === undefined ? {} : { DATABASE_URL: database.url };
  stack.use(children);
  const plane = await startControlPlane(children, server.url, signal, env);
  const spec = fleetSpec(names, options.ledger, languages.length * SEATS_EACH);
  await plane.api.groups.apply.mutate({ spec });
  const own = {
    ...env,
    NATS_URL: server.url,
    MUSTER_STREAM: names.stream,
    MUSTER_GROUP: names.group,
    MUSTER_HEARTBEAT_MS: "500",
    // A line for each delivery: what a failed run is understood from.
    LOG_LEVEL: "debug",
  };
  const seats = languages.flatMap((language) => {
    const command = workerCommand(language, { conformance: true });
    return seatsOf(language).map((id) =>
      stack.use(new Seat({ id, language, command, env: own, logFile: join(dir, `${id}.log`), fail })),
    );
  });
  await until("all members to join", async () => seats.every(({ isReady }) => isReady) || undefined, {
    signal,
    timeoutMs: JOIN_MS,
  });
  say(`NATS ${server.url}, ledger ${options.ledger}, members ${seats.map(({ id }) => id).join(", ")}`);
  const js = jetstream(nc);
  return await run({ options, names, js, plane, database, seats, signal, say, fail });
}

async function openDatabase(): Promise<PostgresServer> {
  const database = await startPostgres({ settings: { max_connections: MAX_CONNECTIONS } });
  await database.psql(balancesTable);
  return database;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

// Run by itself it takes what is set up; through ./muster the set-up comes first.
if (import.meta.main) process.exitCode = await fleet(process.argv.slice(2));
