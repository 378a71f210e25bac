import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { MusterError } from "@muster/contracts";
import { sqlState } from "./postgres-errors.ts";
import type { Session } from "./postgres-session.ts";

/** A file of `packages/contracts/migrations`. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

const answerMs = 600_000;
const begin =
  "begin; set local statement_timeout = 0; set local lock_timeout = 60000; " +
  "select pg_advisory_xact_lock(hashtext('muster_migrations'))";
const insufficientPrivilege = "42501";

/**
 * Applies what is missing, each file in a transaction and under a lock, so that many members may start at once; without
 * the right to make tables it is enough that all are applied. A file we do not know was applied by a newer member:
 * migrations only add, so it is no error.
 * Throws `unreachable`, or `ledger_schema` when a file is missing that may not be applied, or was applied in another form.
 */
export async function applyMigrations(session: Session, migrations?: readonly Migration[]): Promise<void> {
  const known = migrations ?? (await readMigrations());
  for (const migration of missingOf(known, await applied(session))) {
    await apply(session, known, migration);
  }
}

/** The migrations that this version knows, in the order of their names. */
export async function readMigrations(): Promise<Migration[]> {
  // The package's entry is src/index.ts; the files lie beside src.
  const contracts = createRequire(import.meta.url).resolve("@muster/contracts");
  const folder = join(dirname(dirname(contracts)), "migrations");
  const names = (await readdir(folder)).filter((name) => /^[0-9]{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), "utf8");
      return { name, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/** What was applied, name → sha256; nothing where no migration was. */
async function applied(session: Session): Promise<Map<string, string>> {
  const isThere = "select 1 from pg_catalog.pg_class where oid = to_regclass('muster_migrations')";
  try {
    if ((await session.query({ text: isThere })).rowCount === 0) {
      return new Map();
    }
    const text = "select name, sha256 from muster_migrations";
    const { rows } = await session.query<{ name: string; sha256: string }>({ text });
    return new Map(rows.map(({ name, sha256 }) => [name, sha256]));
  } catch (error) {
    throw schemaError("muster_migrations", error);
  }
}

function missingOf(known: readonly Migration[], done: ReadonlyMap<string, string>): Migration[] {
  const changed = known.filter(({ name, sha256 }) => (done.get(name) ?? sha256) !== sha256);
  if (changed.length > 0) {
    const names = changed.map(({ name }) => name).join(", ");
    throw new MusterError(
      "ledger_schema",
      `the database has another form of ${names}: it was changed after it was applied, use the version that was`,
    );
  }
  return known.filter(({ name }) => !done.has(name));
}

async function apply(session: Session, known: readonly Migration[], migration: Migration): Promise<void> {
  const { name, sql, sha256 } = migration;
  try {
    await session.query({ text: begin, answerMs });
    // Another member may have done it while we waited for the lock.
    if (missingOf(known, await applied(session)).includes(migration)) {
      await session.query({ text: sql, answerMs });
      const text = "insert into muster_migrations (name, sha256) values ($1, $2)";
      await session.query({ text, values: [name, sha256] });
    }
    await session.query({ text: "commit" });
  } catch (error) {
    await session.query({ text: "rollback" }).catch(() => {});
    throw schemaError(name, error);
  }
}

/** What keeps the schema from being as it should, other than an outage. */
function schemaError(name: string, cause: unknown): MusterError {
  if (cause instanceof MusterError) {
    return cause;
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  const todo =
    sqlState(cause) === insufficientPrivilege
      ? "apply packages/contracts/migrations as the tables' owner, and grant select, insert, update on them"
      : "see what the database has under these names";
  return new MusterError("ledger_schema", `${name}: ${why}; ${todo}`, { cause });
}
