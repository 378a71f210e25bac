// The HTTP server: tRPC at the root, liveness, readiness and metrics beside it.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createHTTPHandler } from "@trpc/server/adapters/standalone";
import { Access, type Caller } from "./access/access.ts";
import { offerFirstToken } from "./access/first-token.ts";
import type { Config } from "./config.ts";
import { fail } from "./errors.ts";
import { refusal } from "./guard.ts";
import { Database } from "./ledger/database.ts";
import type { Log } from "./log.ts";
import { contentType, metricsText } from "./metrics/metrics.ts";
import { NatsLink } from "./nats/connection.ts";
import { appRouter } from "./router.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const CLOSE_MS = 3000;

/** A control plane that listens. */
export type ControlPlane = {
  /** Where it listens, with the port it really got. */
  url: string;
  /** Stops listening, lets requests under way end, and leaves NATS. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * Listens, and connects to NATS in the background, for as long as it takes. Throws `port_in_use`. With tokens
 * `showFirst` is given the first admin token, once ever.
 */
export async function startControlPlane(
  config: Config,
  log: Log,
  showFirst: (token: string) => void = () => undefined,
): Promise<ControlPlane> {
  const nats = new NatsLink(config.natsUrls, log);
  const database = config.databaseUrl === undefined ? undefined : new Database(config.databaseUrl, log);
  const stop = new AbortController();
  const access = new Access({ isOff: config.auth === "off" });
  const trpc = createHTTPHandler({
    router: appRouter,
    createContext: ({ req }) => ({
      nats,
      database,
      log,
      access,
      caller: callerOf(req),
      stopping: stop.signal,
    }),
    maxBodySize: MAX_BODY_BYTES,
    allowBatching: false,
  });
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path === "/livez") return answer(response, 200, { ok: true });
    if (path === "/readyz")
      return answer(response, nats.isUp ? 200 : 503, {
        ok: nats.isUp,
        nats: nats.isUp ? "connected" : "not connected",
      });
    const refused = refusal(request, config.host, MAX_BODY_BYTES);
    if (refused !== undefined) return refuse(request, response, refused);
    const caller = callerOf(request);
    response.setHeader("x-request-id", caller.requestId);
    for (const [name, value] of securityHeaders) response.setHeader(name, value);
    if (path === "/metrics" && request.method === "GET")
      return void sendMetrics(response, { nats, access, log }, caller);
    trpc(request, response);
  });
  // A client that sends its request drop by drop must not hold a connection for ever.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  try {
    await listen(server, config);
  } catch (error) {
    await leave(nats, database);
    throw error;
  }
  if (config.auth === "tokens") void offerFirstToken(nats, showFirst, { log, signal: stop.signal });
  let closing: Promise<void> | undefined;
  const close = () => {
    stop.abort();
    return (closing ??= shut(server, nats, database));
  };
  return { url: urlOf(server, config), close, [Symbol.asyncDispose]: close };
}

/** What browsers are told of answers that are data and never pages. */
const securityHeaders = [
  ["x-content-type-options", "nosniff"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
  ["cache-control", "no-store"],
] as const;

const callers = new WeakMap<IncomingMessage, Caller>();

/** The same caller for the same request, with an id of the client's where that is a plain word. */
function callerOf(request: IncomingMessage): Caller {
  const known = callers.get(request);
  if (known !== undefined) return known;
  const { "x-request-id": given, authorization } = request.headers;
  const requestId = typeof given === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : randomUUID();
  const caller = { requestId, remote: request.socket.remoteAddress ?? "", authorization };
  callers.set(request, caller);
  return caller;
}

async function sendMetrics(
  response: ServerResponse,
  { nats, access, log }: { nats: NatsLink; access: Access; log: Log },
  caller: Caller,
): Promise<void> {
  try {
    await access.actor(() => nats.current(), caller);
    const text = await metricsText(nats.isUp ? nats.current() : undefined);
    response.writeHead(200, { "content-type": contentType });
    response.end(text);
  } catch (error) {
    const { code = "" } = error as { code?: string };
    const status = { unauthorized: 401, too_many_requests: 429 }[code] ?? 503;
    if (status === 503) log.warn({ error: String(error) }, "metrics cannot be read");
    const message =
      status === 503
        ? "the figures cannot be read; the control plane's log says more"
        : (error as Error).message;
    answer(response, status, { error: { message } });
  }
}

function listen(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        reject(
          fail(
            "port_in_use",
            `port ${port} on ${host} is in use; stop what listens there, or set MUSTER_PORT to another port (0: a free one)`,
            error,
          ),
        );
      } else {
        reject(
          fail(
            "cannot_listen",
            `cannot listen on ${host} port ${port}: ${error.message}; set MUSTER_HOST and MUSTER_PORT`,
            error,
          ),
        );
      }
    });
    server.listen(port, host, resolve);
  });
}

async function shut(server: Server, nats: NatsLink, database: Database | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // A client that does not read, or keeps its connection, is not waited for.
  const impatience = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(impatience);
  await leave(nats, database);
}

async function leave(nats: NatsLink, database: Database | undefined): Promise<void> {
  await nats.close();
  await database?.close();
}

function urlOf(server: Server, { host, port }: Config): string {
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  return `http://${host.includes(":") ? `[${host}]` : host}:${actual}`;
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "x-content-type-options": "nosniff" });
  response.end(JSON.stringify(body));
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, message }: { status: number; code: string; message: string },
): void {
  // The rest of the body is not read: with it, the connection could not be used again.
  if (request.method !== "GET") response.setHeader("connection", "close");
  answer(response, status, { error: { message, data: { code, httpStatus: status, muster_code: code } } });
}
