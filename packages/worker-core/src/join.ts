import { memberSubject, MusterError } from "@muster/contracts";
import type { Base } from "./base.ts";
import { openBase } from "./base.ts";
import type { Connection } from "./connection.ts";
import { beat, follow, poll } from "./follow.ts";
import type { HttpEndpoint } from "./http.ts";
import { drain, forbidden, refused, taken } from "./leave.ts";
import type { Life } from "./life.ts";
import { openConnection } from "./open-connection.ts";
import { Work } from "./work.ts";

// How a member joins: from a configuration to a record that says that it is here.

/** Connects and joins. Returns when joined, when the group is not there yet and is waited for, or when told to stop. */
export async function join(life: Life): Promise<void> {
  const { config, log, instance, events } = life;
  const signal = life.stopStart.signal;
  if (config.httpPort !== undefined) {
    life.http = await serveHttp(life, config.httpPort);
  }
  const connection = await connect(life);
  if (connection === undefined) {
    return;
  }
  connection.onForbidden((error) => forbidden(life, error));
  connection.onChange((isUp) => {
    if (isUp) {
      life.metrics.reconnected();
    }
  });
  const base = openBase(connection, { config, log, instance, confirmAcks: life.parts.confirmAcks });
  const work = openWork(life, base);
  life.base = base;
  life.work = work;
  listenForCommands(life, connection);
  await poll(life, base, work);
  const claim = await base.membership.claim(() => life.record(), signal);
  if (signal.aborted) {
    return;
  }
  if (claim === "taken") {
    taken(life);
    return;
  }
  life.hasJoined = true;
  work.wake();
  // In a queue group what is published before the server knows the subscriptions passes unseen.
  await connection.flush();
  log.info({ state: life.state, revision: base.spec.revision }, "joined");
  events.emit("joined");
  void beat(life, base);
  void follow(life, base, work);
}

async function serveHttp(life: Life, port: number): Promise<HttpEndpoint> {
  // Loaded only where it is asked for: node:http costs every start 40 ms.
  const { startHttp } = await import("./http.ts");
  return startHttp(
    {
      host: life.config.httpHost,
      port,
      live: () => life.live(),
      ready: () => life.readiness(),
      metrics: () => life.metrics.text(),
    },
    life.log,
  );
}

/** Undefined: told to stop before there was a connection, or refused. */
async function connect(life: Life): Promise<Connection | undefined> {
  const { natsUrls: servers, loginFiles, inboxPrefix, stream, group, workerId } = life.config;
  const name = `${stream}.${group}.${workerId}`;
  const signal = life.stopStart.signal;
  try {
    return await openConnection({ servers, loginFiles, inboxPrefix, name, signal }, life.log);
  } catch (error) {
    if (error instanceof MusterError && error.code === "stopped") {
      return undefined;
    }
    if (error instanceof MusterError && error.code === "login_refused") {
      refused(life, "login refused", error.code, error.message);
      return undefined;
    }
    throw error;
  }
}

function openWork(life: Life, base: Base): Work {
  const { handler, stallMs, onStep } = life.parts;
  const { stats, metrics, events } = life;
  const isWanted = (): boolean => life.hasJoined && life.state === "running";
  return new Work({ base, handler, stats, metrics, events, stallMs, onStep, isWanted });
}

function listenForCommands(life: Life, connection: Connection): void {
  const { stream, group, workerId } = life.config;
  connection.nats.subscribe(memberSubject(stream, group, workerId, "drain"), {
    callback: (error, msg) => {
      if (error === null) {
        msg.respond('{"ok":true}');
        void drain(life);
      }
    },
  });
}
