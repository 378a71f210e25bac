// The files that log a process in to NATS: what NATS_CREDS, NATS_NKEY and NATS_CA name.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isSeed } from "./nkey-seed.ts";

/** Paths, each undefined where its variable is not set. */
export type LoginFiles = {
  /** A user's credentials: JWT and seed. */
  creds?: string | undefined;
  /** A user's nkey seed. */
  nkey?: string | undefined;
  /** Certificates of the authorities that the server's certificate must come from, in PEM. */
  ca?: string | undefined;
};

/** What the client signs in with; without a JWT it is the nkey alone. */
export type FileLogin = { jwt?: string; seed: string };

/**
 * Takes the paths out of an environment, and says what is wrong with them and the files, one line each that begins with
 * the variable. What a file holds is in no line. `hasUrlLogin`: a URL has a login already, and there can be only one.
 */
export function readLoginFiles(
  env: Record<string, string | undefined>,
  hasUrlLogin: boolean,
): { files: LoginFiles; problems: string[] } {
  const files: LoginFiles = {
    creds: env["NATS_CREDS"] || undefined,
    nkey: env["NATS_NKEY"] || undefined,
    ca: env["NATS_CA"] || undefined,
  };
  const problems: string[] = [];
  const check = (
    variable: string,
    path: string | undefined,
    isGood: (text: string) => boolean,
    what: string,
  ) => {
    const text = path === undefined ? undefined : read(path);
    if (path === undefined) return;
    if (text === undefined) problems.push(`${variable}: ${JSON.stringify(path)} cannot be read`);
    else if (!isGood(text)) problems.push(`${variable}: ${JSON.stringify(path)} ${what}`);
  };
  check("NATS_CREDS", files.creds, isCreds, "holds no user's credentials: a JWT and a seed SU…");
  check("NATS_NKEY", files.nkey, (text) => parseSeed(text) !== undefined, "holds no user's seed SU…");
  check("NATS_CA", files.ca, isCertificates, "holds no certificate in PEM, or a broken one");
  if (files.creds !== undefined && files.nkey !== undefined)
    problems.push("NATS_NKEY: NATS_CREDS is set too; keep one of them");
  for (const [variable, path] of [
    ["NATS_CREDS", files.creds],
    ["NATS_NKEY", files.nkey],
  ])
    if (path !== undefined && hasUrlLogin)
      problems.push(`${variable}: NATS_URL has a login already; keep one of them`);
  return { files, problems };
}

/**
 * Gives what to sign in with, read anew each time, so that a file that was replaced is taken. While it cannot be read,
 * or is half written, it is what it was before. Undefined where neither credentials nor an nkey are set.
 */
export function fileLogin({ creds, nkey }: LoginFiles): (() => FileLogin) | undefined {
  const path = creds ?? nkey;
  if (path === undefined) return undefined;
  let last: FileLogin | undefined;
  return () => {
    const text = read(path) ?? "";
    const seed = parseSeed(text);
    const jwt = creds === undefined ? undefined : parseJwt(text);
    if (seed !== undefined && (creds === undefined || jwt !== undefined))
      last = { seed, ...(jwt === undefined ? {} : { jwt }) };
    if (last === undefined) throw new Error(`${path} cannot be used any more`);
    return last;
  };
}

function isCreds(text: string): boolean {
  return parseJwt(text) !== undefined && parseSeed(text) !== undefined;
}

function parseJwt(text: string): string | undefined {
  return /-{3,}BEGIN NATS USER JWT-{3,}\s+([A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+)\s/.exec(
    text,
  )?.[1];
}

function parseSeed(text: string): string | undefined {
  const seed = /(?:^|\s)(SU[A-Z2-7]{56})(?:\s|$)/.exec(text)?.[1];
  return seed !== undefined && isSeed(seed) ? seed : undefined;
}

function isCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
