import type { WorkerCommand } from "@muster/testkit";
import { waitFor } from "./wait.ts";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { Unexpected } from "../expect.ts";
import type { Unsupported } from "../scenario.ts";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";
import { type Group, type GroupOptions, openGroup } from "./group.ts";
import { type JoinAt, type Member, startMember } from "./member.ts";
import { openSite, type Site, type SiteOptions } from "./site.ts";
import { type Tap, tapGroup } from "./tap.ts";

/** What a scenario plays with. All that it opens is closed at the end, whatever comes. */
export type Lab = {
  /** The scenario's own connection to the server that all share: not to be killed, nor its buckets taken away. */
  readonly nc: NatsConnection;
  readonly url: string;
  /**
   * Opens a group with short times. Stream and group have the scenario's own names, and the second
   * group of a scenario has others; `on` puts it on a server of its own.
   */
  group(options?: LabGroupOptions): Promise<Group>;
  /** Starts a worker in a group; `env` is laid over the environment that the protocol documents. */
  join(at: JoinAt, env?: Record<string, string>): Member;
  /** Listens to what the members of a group publish from now on. */
  tap(group: Group): Promise<Tap>;
  /** The Postgres that scenarios share: not to be killed, nor its tables changed. */
  database(): Promise<Database>;
  /** A Postgres of the scenario's own. */
  ownDatabase(options?: DatabaseOptions): Promise<Database>;
  /** A server of the scenario's own, with the buckets. */
  ownServer(options?: SiteOptions): Promise<Site>;
  /** From here on a member that does not support the spec is what the scenario is about. */
  expectUnsupported(): void;
  /** Runs at the end, in reverse order. */
  defer(close: () => unknown): void;
};

export type LabGroupOptions = GroupOptions & {
  stream?: string;
  on?: { nc: NatsConnection; url: string };
};

/** What the scenarios of a run share. */
export type Shared = { readonly site: Site; readonly database: () => Promise<Database> };

/** A lab as the runner has it. */
export type OpenLab = {
  readonly lab: Lab;
  /** Fails when a worker ends by itself or says that it does not support what is asked. */
  readonly broken: Promise<never>;
  /** What the workers printed, each line with its member's id. */
  logs(): string[];
  /** Closes all. Fails when a worker left a process behind. */
  close(): Promise<void>;
};

let joins = 0;

/** Opens a lab for the scenario of this id, on the shared server. */
export async function openLab(id: string, command: WorkerCommand, shared: Shared): Promise<OpenLab> {
  const nc = await connect({ servers: shared.site.url });
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  let isClosed = false;
  let isUnsupportedExpected = false;
  let groups = 0;
  const members: Member[] = [];
  const closers: (() => unknown)[] = [() => nc.close()];
  const defer = (close: () => unknown): void => {
    if (isClosed) throw new Error("the scenario is over");
    closers.push(close);
  };
  const join = (at: JoinAt, env: Record<string, string> = {}): Member => {
    if (isClosed) throw new Error("the scenario is over");
    joins += 1;
    const own = { ...("env" in at ? at.env : {}), WORKER_ID: `${id.slice(0, 40)}-${joins}`, ...env };
    const member = startMember(command, at, own, {
      onSurprise: broken.reject,
      onUnsupported: (error) => {
        if (!isUnsupportedExpected) broken.resolve(confirmUnsupported(at, member, error));
      },
    });
    members.push(member);
    defer(() => member.close());
    return member;
  };
  const lab: Lab = {
    nc,
    url: shared.site.url,
    async group({ on, ...options } = {}) {
      groups += 1;
      const name = groups === 1 ? id : `${id}-${groups}`;
      const isQueue = options.delivery?.mode === "queue";
      const at = on ?? { nc, url: shared.site.url };
      const where = { stream: isQueue ? "core" : name, group: isQueue ? name : "g" };
      const database = options.ledger === "postgres" ? { database: await shared.database() } : {};
      return openGroup(at.nc, at.url, { ...where, ...database, ...options });
    },
    join,
    tap: (group) => tapGroup(group.nc, group),
    database: shared.database,
    async ownDatabase(options) {
      const database = await openDatabase(options);
      defer(() => database[Symbol.asyncDispose]());
      return database;
    },
    async ownServer(options) {
      const site = await openSite(options);
      defer(() => site[Symbol.asyncDispose]());
      return site;
    },
    expectUnsupported: () => void (isUnsupportedExpected = true),
    defer,
  };
  return {
    lab,
    broken: broken.promise,
    logs: () => members.flatMap((member) => member.lines.map((line) => `${member.id} | ${line}`)),
    async close() {
      isClosed = true;
      const failures: unknown[] = [];
      for (const close of closers.toReversed()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** What a worker says is believed when its record says the same, and where the protocol leaves it the choice. */
async function confirmUnsupported(at: JoinAt, member: Member, error: Unsupported): Promise<never> {
  const { delivery, ledger } = "spec" in at ? at.spec : { delivery: { mode: "pull" }, ledger: "kv" };
  if (delivery.mode === "pull" && ledger === "kv")
    throw new Unexpected(`the worker says that it does not support pull with ledger kv: ${error.message}`);
  await waitFor(
    "a member without support for the spec to stay in state starting",
    async () => (await member.record())?.state === "starting",
  );
  throw error;
}
