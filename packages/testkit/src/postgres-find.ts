import { accessSync, constants, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** The folder with PostgreSQL's programs: `MUSTER_POSTGRES_BIN`, the PATH, or Debian's; undefined if there is none. */
export function findPostgres(): string | undefined {
  const chosen = process.env["MUSTER_POSTGRES_BIN"];
  const onPath = (process.env["PATH"] ?? "").split(delimiter);
  return [...(chosen ? [chosen] : []), ...onPath, ...debianFolders()].map(withAllPrograms).find(Boolean);
}

/**
 * Why tests with Postgres cannot run here, for `describe.skipIf`; undefined where they can.
 * In CI they always run, so that a missing server fails.
 */
export function postgresMissing(): string | undefined {
  if (findPostgres() !== undefined || process.env["CI"]) return undefined;
  return "skipped: no PostgreSQL on this machine";
}

/** Whether a file is there and may be run. */
export function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function debianFolders(): string[] {
  const root = "/usr/lib/postgresql";
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, "bin"));
  } catch {
    return [];
  }
}

/** The folder that all programs are in, if they are; distributions link only some of them into the PATH. */
function withAllPrograms(folder: string): string | undefined {
  try {
    const real = dirname(realpathSync(join(folder, "postgres")));
    const programs = ["initdb", "postgres", "psql"];
    return programs.every((program) => isProgram(join(real, program))) ? real : undefined;
  } catch {
    return undefined;
  }
}
