// The product's processes as these tests run them: on loopback, on free ports, without a database.
import { controlPlaneCommand, type Language, type Proc, startProcess, workerCommand } from "@muster/testkit";
import { patienceMs } from "./until.ts";

/** The group that the tests are about where they do not name another. */
export const billing: { stream: string; group: string } = { stream: "ORDERS", group: "billing" };

type Env = Readonly<Record<string, string | undefined>>;

/** Starts a control plane that wants no login; `env` says where its NATS is, and is laid over the rest. */
export function startControlPlane(env: Env): Proc {
  const own = { MUSTER_HOST: "127.0.0.1", MUSTER_PORT: "0", MUSTER_AUTH: "off", DATABASE_URL: "" };
  return startProcess("control plane", controlPlaneCommand(), set({ ...own, ...env }));
}

/** Where a control plane listens. */
export async function urlOf(controlPlane: Proc): Promise<string> {
  return (JSON.parse(await controlPlane.waitForLine(/"listening"/, patienceMs)) as { url: string }).url;
}

/** Returns where it listens when it is connected. */
export async function readyControlPlane(controlPlane: Proc): Promise<string> {
  const url = await urlOf(controlPlane);
  await controlPlane.waitForLine(/"connected"/, patienceMs);
  return url;
}

/** Starts an order worker, `<language>-1`; `env` says where its NATS is, and is laid over the rest. */
export function startWorker(language: Language, { stream, group }: typeof billing, env: Env): Proc {
  const command = workerCommand(language);
  const own = {
    MUSTER_STREAM: stream,
    MUSTER_GROUP: group,
    WORKER_ID: `${language}-1`,
    DATABASE_URL: "",
  };
  return startProcess(`worker ${language}`, command.argv, set({ ...command.env, ...own, ...env }));
}

/** Asks the control plane's REST interface; throws with what it answered when it refuses. */
export async function ask<T>(
  url: string,
  method: string,
  path: string,
  { body, token }: { body?: object; token?: string } = {},
): Promise<T> {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** Describes a group of orders; `spec` is laid over what it needs. */
export async function applyGroup(
  url: string,
  { stream, group }: typeof billing,
  spec: object,
  more: { stream?: object; token?: string } = {},
): Promise<void> {
  const { token, ...of } = more;
  await ask(url, "PUT", `/streams/${stream}/groups/${group}`, {
    body: { spec: { contracts: ["order.v1"], ...spec }, ...of },
    ...(token === undefined ? {} : { token }),
  });
}

function set(env: Env): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
