// The HTTP server: tRPC at the root, liveness, readiness and metrics beside it.
import { createServer, type Server, type ServerResponse } from "node:http";
import { createHTTPHandler } from "@trpc/server/adapters/standalone";
import { Access, type Caller } from "./access/access.ts";
import { offerFirstToken } from "./access/first-token.ts";
import { answer, isRest, refuse } from "./answer.ts";
import { callerOf } from "./caller.ts";
import type { Config } from "./config.ts";
import { allowReading, answerPreflight, isPreflight } from "./cors.ts";
import { keepIndexes } from "./dead-letters/index/keep.ts";
import { fail } from "./errors.ts";
import { refusal } from "./guard.ts";
import { keepMembers } from "./groups/members.ts";
import { JobRunner } from "./jobs/runner.ts";
import { Database } from "./ledger/database.ts";
import type { Log } from "./log.ts";
import { contentType, metricsText } from "./metrics/metrics.ts";
import { NatsLink } from "./nats/connection.ts";
import { answerRest } from "./rest/handler.ts";
import { pageAt } from "./rest/pages.ts";
import { appRouter } from "./router.ts";
import type { Context } from "./trpc.ts";

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
 * `showFirst` is given the first admin token, once ever. `onRefused` is told when NATS refuses the login at the start.
 */
export async function startControlPlane(
  config: Config,
  log: Log,
  showFirst: (token: string) => void = () => undefined,
  onRefused: (why: string) => void = () => undefined,
): Promise<ControlPlane> {
  const nats = new NatsLink(config, log, onRefused);
  const database = config.databaseUrl === undefined ? undefined : new Database(config.databaseUrl, log);
  const stop = new AbortController();
  const access = new Access({ isOff: config.auth === "off" });
  const origins = config.corsOrigins ?? [];
  const contextOf = (caller: Caller): Context => ({
    nats,
    database,
    log,
    access,
    caller,
    stopping: stop.signal,
  });
  const trpc = createHTTPHandler({
    router: appRouter,
    createContext: ({ req }) => contextOf(callerOf(req)),
    maxBodySize: MAX_BODY_BYTES,
    allowBatching: false,
    // Its own Vary would take the place of ours.
    responseMeta: () => (origins.length === 0 ? {} : { headers: new Headers({ vary: "origin" }) }),
  });
  // A client that sends its request drop by drop must not hold a connection for ever.
  const { headersMs, requestMs } = config.patience ?? { headersMs: 10_000, requestMs: 30_000 };
  const timeouts = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.min(1000, headersMs / 2),
  };
  const server = createServer(timeouts, (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path === "/livez") return answer(response, 200, { ok: true });
    if (path === "/readyz")
      return answer(response, nats.isUp ? 200 : 503, {
        ok: nats.isUp,
        nats: nats.isUp ? "connected" : "not connected",
      });
    const caller = callerOf(request);
    response.setHeader("x-request-id", caller.requestId);
    for (const [name, value] of securityHeaders) response.setHeader(name, value);
    allowReading(request, response, origins);
    const refused = refusal(request, { host: config.host, origins, maxBodyBytes: MAX_BODY_BYTES });
    if (refused !== undefined) return refuse(request, response, refused);
    if (isPreflight(request)) return answerPreflight(response);
    const page = request.method === "GET" ? pageAt(path) : undefined;
    if (page !== undefined) return page(response);
    if (isRest(request))
      return void answerRest(request, response, {
        context: contextOf(caller),
        maxBodyBytes: MAX_BODY_BYTES,
      });
    if (path === "/metrics" && request.method === "GET")
      return void sendMetrics(response, { nats, access, log }, caller);
    trpc(request, response);
  });
  try {
    await listen(server, config);
  } catch (error) {
    await leave(nats, database);
    throw error;
  }
  const jobs = new JobRunner(nats, database, log);
  void keepIndexes(nats, log, stop.signal);
  void keepMembers(nats, stop.signal);
  if (config.auth === "tokens") void offerFirstToken(nats, showFirst, { log, signal: stop.signal });
  let closing: Promise<void> | undefined;
  const close = () => {
    stop.abort();
    return (closing ??= shut(server, jobs).then(() => leave(nats, database)));
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

async function shut(server: Server, jobs: JobRunner): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // A client that does not read, or keeps its connection, is not waited for.
  const impatience = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await Promise.all([closed, jobs.close()]);
  clearTimeout(impatience);
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
