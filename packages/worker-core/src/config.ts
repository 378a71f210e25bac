import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import {
  hasLogin,
  isName,
  isServerUrl,
  type LoginFiles,
  MusterError,
  readLoginFiles,
} from "@muster/contracts";

/** Version of this core, shown in the member record. */
export const coreVersion = "0.1.0";

/** What a worker needs to join its group; the only file that reads the environment. */
export interface WorkerConfig {
  /** One or more server URLs, tried in turn. */
  natsUrls: string[];
  /** Credentials or nkey, and the certificate authority, by their paths. Default: none. */
  loginFiles?: LoginFiles;
  stream: string;
  group: string;
  /** The member's id, unique in its group. */
  workerId: string;
  /** JetStream API prefix, where accounts remap it. */
  apiPrefix: string;
  /** What the subjects begin with on which answers and messages come. Default `_INBOX`. */
  inboxPrefix?: string;
  /** Milliseconds between heartbeats, which also poll the spec. */
  heartbeatMs: number;
  /** How long a drain waits for running handlers. */
  graceMs: number;
  logLevel: LogLevel;
  /** Version of the application, told in records and dead letters. Default: the core's. */
  version: string;
  /** Address of /metrics, /livez and /readyz. */
  httpHost: string;
  /** Their port: 0 any free one, undefined none. */
  httpPort: number | undefined;
  /** Where the ledger is, for groups with ledger `postgres`. */
  databaseUrl: string | undefined;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/**
 * Reads the environment.
 * Throws a MusterError `bad_config` whose message has one line for every bad variable.
 */
export function readConfig(env: Record<string, string | undefined> = process.env): WorkerConfig {
  const bad: string[] = [];
  const natsUrls = readUrls(env["NATS_URL"], bad);
  const login = readLoginFiles(env, hasLogin(natsUrls));
  bad.push(...login.problems);
  const config: WorkerConfig = {
    natsUrls,
    loginFiles: login.files,
    stream: readName("MUSTER_STREAM", env["MUSTER_STREAM"], bad),
    group: readName("MUSTER_GROUP", env["MUSTER_GROUP"], bad),
    workerId: readName("WORKER_ID", env["WORKER_ID"] || defaultWorkerId(), bad),
    apiPrefix: readPrefix("MUSTER_API_PREFIX", env["MUSTER_API_PREFIX"] || "$JS.API", bad),
    inboxPrefix: readPrefix("MUSTER_INBOX_PREFIX", env["MUSTER_INBOX_PREFIX"] || "_INBOX", bad),
    heartbeatMs: readInteger(
      "MUSTER_HEARTBEAT_MS",
      env["MUSTER_HEARTBEAT_MS"],
      { fallback: 5000, min: 250, max: 5000 },
      bad,
    ),
    graceMs: readInteger(
      "MUSTER_GRACE_MS",
      env["MUSTER_GRACE_MS"],
      { fallback: 25_000, min: 0, max: 3_600_000 },
      bad,
    ),
    logLevel: readLevel(env["LOG_LEVEL"] || "info", bad),
    version: env["MUSTER_APP_VERSION"] || coreVersion,
    httpHost: env["MUSTER_HTTP_HOST"] || "127.0.0.1",
    httpPort: readPort(env["MUSTER_HTTP_PORT"], bad),
    databaseUrl: readDatabaseUrl(env, bad),
  };
  if (bad.length > 0) {
    throw new MusterError("bad_config", bad.join("\n"));
  }
  return config;
}

function defaultWorkerId(): string {
  const pid = String(process.pid);
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 59 - pid.length);
  return `${host || "host"}-${pid}`;
}

function readUrls(value: string | undefined, bad: string[]): string[] {
  const urls = (value ?? "")
    .split(",")
    .map((url) => url.trim())
    .filter((url) => url !== "");
  if (urls.length === 0) {
    bad.push("NATS_URL: required, for example nats://127.0.0.1:4222");
  }
  for (const url of urls) {
    if (!isServerUrl(url)) {
      bad.push(
        `NATS_URL: ${JSON.stringify(hideSecret(url))} is no server URL; write nats://host:port (or tls, ws, wss)`,
      );
    }
  }
  return urls;
}

function hideSecret(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//***@");
}

function readName(variable: string, value: string | undefined, bad: string[]): string {
  if (value === undefined || value === "") {
    bad.push(`${variable}: required`);
    return "";
  }
  if (!isName(value)) {
    bad.push(`${variable}: ${JSON.stringify(value)} must be 1 to 60 of A-Z, a-z, 0-9, _ and -`);
  }
  return value;
}

function readPort(value: string | undefined, bad: string[]): number | undefined {
  return value === undefined || value === ""
    ? undefined
    : readInteger("MUSTER_HTTP_PORT", value, { fallback: 0, min: 0, max: 65_535 }, bad);
}

// In a file, as orchestrators mount secrets, it stands in nobody's environment.
function readDatabaseUrl(env: Record<string, string | undefined>, bad: string[]): string | undefined {
  const given = env["DATABASE_URL"] || undefined;
  const file = env["DATABASE_URL_FILE"] || undefined;
  if (given !== undefined && file !== undefined) {
    bad.push("DATABASE_URL_FILE: set beside DATABASE_URL; keep one of them");
    return undefined;
  }
  const variable = file === undefined ? "DATABASE_URL" : "DATABASE_URL_FILE";
  const value = file === undefined ? given : readSecret(file, bad);
  if (value !== undefined && (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol))) {
    bad.push(`${variable}: ${JSON.stringify(hideSecret(value))} is no postgres://user@host/database URL`);
  }
  return value;
}

function readSecret(file: string, bad: string[]): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    bad.push(`DATABASE_URL_FILE: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function readPrefix(variable: string, value: string, bad: string[]): string {
  const prefix = value.replace(/\.$/, "");
  if (!/^[^\s*>.]+(\.[^\s*>.]+)*$/.test(prefix)) {
    bad.push(`${variable}: ${JSON.stringify(value)} is no subject prefix`);
  }
  return prefix;
}

function readInteger(
  variable: string,
  value: string | undefined,
  range: { fallback: number; min: number; max: number },
  bad: string[],
): number {
  if (value === undefined || value === "") {
    return range.fallback;
  }
  const number = Number(value);
  if (!/^[0-9]{1,9}$/.test(value) || number < range.min || number > range.max) {
    bad.push(
      `${variable}: ${JSON.stringify(value)} must be a whole number from ${range.min} to ${range.max}`,
    );
  }
  return number;
}

function readLevel(value: string, bad: string[]): LogLevel {
  const level = logLevels.find((known) => known === value);
  if (level === undefined) {
    bad.push(`LOG_LEVEL: ${JSON.stringify(value)} must be one of ${logLevels.join(", ")}`);
  }
  return level ?? "info";
}
