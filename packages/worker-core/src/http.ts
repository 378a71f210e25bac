import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MusterError } from "@muster/contracts";
import type { Logger } from "./log.ts";
import { metricsContentType } from "./metrics.ts";

/** What the endpoint shows, and where. */
export interface HttpOptions {
  /** `MUSTER_HTTP_HOST`; 127.0.0.1 keeps it on this machine. */
  readonly host: string;
  /** `MUSTER_HTTP_PORT`; 0 takes any free one. */
  readonly port: number;
  /** Whether the process should be kept: 503 with the reason on /livez where not. */
  readonly live: () => { ok: boolean; why?: string };
  /** Whether the member takes messages: 503 with the reasons on /readyz where not. */
  readonly ready: () => { ok: boolean; why: readonly string[] };
  /** Prometheus' text format, for /metrics. */
  readonly metrics: () => Promise<string>;
}

/** An endpoint that listens. */
export interface HttpEndpoint extends AsyncDisposable {
  readonly port: number;
  /** Ends it at once, with the connections that are open. */
  close(): Promise<void>;
}

/** A request must be there whole by then; an unused connection is closed by then. */
const patienceMs = 3000;
/** Beyond so many connections the oldest one goes: a probe always gets in. */
const maxConnections = 100;

/**
 * Serves /livez, /readyz and /metrics, and logs `listening` with `http_port` when it does.
 * Anybody who reaches the port may ask: it takes no body, and nobody can hold it by being slow.
 *
 * Throws MusterError `port_in_use`, or `cannot_listen` for any other reason the port cannot be had.
 */
export async function startHttp(options: HttpOptions, log: Logger): Promise<HttpEndpoint> {
  const server = createServer(
    {
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      keepAliveTimeout: patienceMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => void respond(options, log, request, response),
  );
  // Otherwise the client is asked to go on with its body.
  server.on("checkContinue", (request, response) => void respond(options, log, request, response));
  dropOldest(server);
  const port = await listen(server, options);
  server.on("error", (error) => log.error({ code: "http_error", error: error.message }, "http error"));
  log.info({ http_host: options.host, http_port: port }, "listening");
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port, close, [Symbol.asyncDispose]: close };
}

async function respond(
  options: HttpOptions,
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (hasBody(request)) {
    // Ends the connection after the answer: what follows would be the body.
    response.shouldKeepAlive = false;
  }
  const { status, type, text } = await answer(options, request).catch((error: unknown) => {
    // Not told to the client: anybody may ask.
    log.error({ code: "http_error", error: String(error) }, "http error");
    return json(500, { error: "internal error" });
  });
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
    ...(status === 405 ? { Allow: "GET, HEAD" } : {}),
  });
  response.end(text);
}

interface Answer {
  status: number;
  type: string;
  text: string;
}

async function answer(options: HttpOptions, { method, url = "" }: IncomingMessage): Promise<Answer> {
  const path = url.split("?", 1)[0];
  if (path !== "/livez" && path !== "/readyz" && path !== "/metrics") {
    return json(404, { error: "not found" });
  }
  if (method !== "GET" && method !== "HEAD") {
    return json(405, { error: "method not allowed" });
  }
  if (path === "/livez") {
    const { ok, why } = options.live();
    return ok ? json(200, { live: true }) : json(503, { live: false, why });
  }
  if (path === "/readyz") {
    const { ok, why } = options.ready();
    return ok ? json(200, { ready: true }) : json(503, { ready: false, why });
  }
  return { status: 200, type: metricsContentType, text: await options.metrics() };
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", text: JSON.stringify(value) };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

// Not the server's maxConnections, which turns away the newest: connections that do nothing would
// keep the probe out, and the process would be killed for it.
function dropOldest(server: Server): void {
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    if (open.size > maxConnections) {
      for (const oldest of open) {
        oldest.destroy();
        break;
      }
    }
  });
}

async function listen(server: Server, { host, port }: HttpOptions): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    throw cannotListen(host, port, cause);
  }
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function cannotListen(host: string, port: number, cause: unknown): MusterError {
  if (cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE") {
    const text = `port ${port} of ${host} is in use: set MUSTER_HTTP_PORT to another one, or to 0 for any`;
    return new MusterError("port_in_use", text, { cause });
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = `cannot listen on ${host} port ${port} (MUSTER_HTTP_HOST, MUSTER_HTTP_PORT): ${why}`;
  return new MusterError("cannot_listen", text, { cause });
}
