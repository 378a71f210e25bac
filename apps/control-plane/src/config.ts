// The control plane's configuration: the one place that reads the environment.
import { readFileSync } from "node:fs";
import { hasLogin, isServerUrl, type LoginFiles, readLoginFiles } from "@muster/contracts";
import { z } from "zod";

const natsUrls = z
  .string("is required: one or more server URLs, separated by commas")
  .transform((text) => text.split(",").map((part) => part.trim()))
  .refine((urls) => urls.every(isServerUrl), "must be nats://, tls://, ws:// or wss:// URLs")
  .refine((urls) => new Set(urls.map(isWebSocket)).size === 1, "must not mix ws:// and nats:// URLs");

const Environment = z.object({
  NATS_URL: natsUrls,
  MUSTER_INBOX_PREFIX: z
    .string()
    .regex(/^[^\s*>.]+([.][^\s*>.]+)*$/, "must be a subject without wildcards: _INBOX_CONTROL")
    .optional(),
  MUSTER_HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]+$/, "must be a host name or an address")
    .default("127.0.0.1"),
  MUSTER_PORT: z
    .string()
    .regex(/^[0-9]{1,5}$/, "must be a port, 0 to 65535 (0: a free one)")
    .transform(Number)
    .refine((port) => port <= 65535, "must be a port, 0 to 65535 (0: a free one)")
    .default(4600),
  DATABASE_URL: z
    .string()
    .refine(isDatabaseUrl, "must be a database URL: postgres://user:password@host:5432/database")
    .optional(),
  MUSTER_AUTH: z.enum(["tokens", "off"], "must be tokens or off").optional(),
  MUSTER_CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .refine(
      (origins) => origins.every(isOrigin),
      "must be origins as browsers send them, https://host[:port], separated by commas; * and null would let in every page",
    )
    .optional(),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error").default("info"),
});

/** What the control plane is started with. */
export type Config = {
  /** NATS servers of one cluster. */
  natsUrls: string[];
  /** Credentials or nkey, and the certificate authority, by their paths; none by default. */
  login?: LoginFiles | undefined;
  /** What the subjects begin with on which answers come; `_INBOX` by default. */
  inboxPrefix?: string | undefined;
  /** Address to listen on; loopback unless told otherwise. */
  host: string;
  /** Without login only on loopback, and there by default; elsewhere tokens. */
  auth: "tokens" | "off";
  /** Port to listen on; 0 takes a free one. */
  port: number;
  /** The database with the ledger of groups that keep it in Postgres; without it those cannot be verified. */
  databaseUrl?: string | undefined;
  /** Origins of web pages that may ask, beside our own; none by default. */
  corsOrigins?: readonly string[] | undefined;
  /** How long a client may take to send its headers, and the whole request; for tests. */
  patience?: { headersMs: number; requestMs: number };
  logLevel: "debug" | "info" | "warn" | "error";
};

/** Reads the configuration, or names every bad variable, one line each. An empty variable is an absent one. */
export function readConfig(
  env: Record<string, string | undefined>,
): { ok: true; config: Config } | { ok: false; problems: string[] } {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const file = readDatabaseFile(given);
  const login = readLoginFiles(given, hasLogin((given["NATS_URL"] ?? "").split(",")));
  const parsed = Environment.safeParse({ ...given, ...file.env });
  if (!parsed.success || file.problem !== undefined || login.problems.length > 0) {
    const problems = parsed.error?.issues.map(({ path, message }) => {
      const name = path.join(".");
      return `${name === "DATABASE_URL" && file.env !== undefined ? "DATABASE_URL_FILE" : name} ${message}`;
    });
    const ofFiles = [file.problem ?? [], login.problems.map((problem) => problem.replace(": ", " "))].flat();
    return { ok: false, problems: [...new Set([...(problems ?? []), ...ofFiles])] };
  }
  const {
    NATS_URL,
    MUSTER_INBOX_PREFIX,
    MUSTER_HOST,
    MUSTER_PORT,
    DATABASE_URL,
    MUSTER_CORS_ORIGINS,
    LOG_LEVEL,
  } = parsed.data;
  const auth = parsed.data.MUSTER_AUTH ?? (isLoopback(MUSTER_HOST) ? "off" : "tokens");
  if (auth === "off" && !isLoopback(MUSTER_HOST))
    return {
      ok: false,
      problems: [
        `MUSTER_AUTH off goes with loopback only, MUSTER_HOST is ${MUSTER_HOST}: set MUSTER_AUTH=tokens`,
      ],
    };
  return {
    ok: true,
    config: {
      natsUrls: NATS_URL,
      login: login.files,
      inboxPrefix: MUSTER_INBOX_PREFIX,
      host: MUSTER_HOST,
      port: MUSTER_PORT,
      auth,
      databaseUrl: DATABASE_URL,
      corsOrigins: MUSTER_CORS_ORIGINS,
      logLevel: LOG_LEVEL,
    },
  };
}

// In a file, as orchestrators mount secrets, it stands in nobody's environment.
function readDatabaseFile(env: Record<string, string | undefined>): {
  env?: { DATABASE_URL: string };
  problem?: string;
} {
  const file = env["DATABASE_URL_FILE"];
  if (file === undefined) return {};
  if (env["DATABASE_URL"] !== undefined)
    return { problem: "DATABASE_URL_FILE is set beside DATABASE_URL; keep one of them" };
  try {
    return { env: { DATABASE_URL: readFileSync(file, "utf8").trim() } };
  } catch (error) {
    return {
      problem: `DATABASE_URL_FILE cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/** Whether a NATS URL goes over WebSocket. */
export function isWebSocket(url: string): boolean {
  return /^wss?:/i.test(url);
}

// The very text that is compared: lower case, without a default port, without a path.
function isOrigin(text: string): boolean {
  return /^https?:\/\/[a-z0-9.:[\]-]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function isDatabaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== "";
}

const loopback = new Set(["127.0.0.1", "localhost", "::1", "[::1]"]);

/** Whether an address is this machine's own, which no other machine reaches. */
export function isLoopback(host: string): boolean {
  return loopback.has(host);
}
