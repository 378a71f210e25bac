package muster

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
)

// migrationFiles are copies of packages/contracts/migrations, because a Go module can only embed
// what it holds; `./muster generate` makes them.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is a file of the tables' SQL.
type migration struct {
	name, sql, sha256 string
}

// applyMigrations applies what is missing, each file in a transaction and under a lock, so that many
// members may start at once; without the right to make tables it is enough that all are applied. A
// file we do not know was applied by a newer member: migrations only add, so it is no error.
func applyMigrations(ctx context.Context, conn *pgx.Conn) error {
	// Waiting for the lock of another member, and a long migration, are no silence of the database.
	ctx = context.WithoutCancel(ctx)
	known, err := readMigrations()
	if err != nil {
		return err
	}
	missing, err := missingMigrations(ctx, conn, known)
	for _, one := range missing {
		if err == nil {
			err = applyMigration(ctx, conn, known, one)
		}
	}
	return err
}

// readMigrations are those that this version knows, in the order of their names.
func readMigrations() ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	known := make([]migration, len(files))
	for i, file := range files {
		sql, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		known[i] = migration{name: strings.TrimPrefix(file, "migrations/"), sql: string(sql), sha256: sha256Hex(sql)}
	}
	return known, nil
}

func missingMigrations(ctx context.Context, conn *pgx.Conn, known []migration) ([]migration, error) {
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return nil, schemaError("muster_migrations", err)
	}
	var missing []migration
	for _, one := range known {
		switch sum, isThere := applied[one.name]; {
		case !isThere:
			missing = append(missing, one)
		case sum != one.sha256:
			text := fmt.Sprintf("the database has another form of %s: it was changed after it was applied, use the version that was", one.name)
			return nil, &Error{Code: CodeLedgerSchema, Message: text}
		}
	}
	return missing, nil
}

// appliedMigrations are the sha256 of each name; none where no migration was applied.
func appliedMigrations(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	applied := map[string]string{}
	var isThere bool
	if err := conn.QueryRow(ctx, "select to_regclass('muster_migrations') is not null").Scan(&isThere); err != nil || !isThere {
		return applied, err
	}
	rows, err := conn.Query(ctx, "select name, sha256 from muster_migrations")
	if err != nil {
		return nil, err
	}
	var name, sum string
	_, err = pgx.ForEachRow(rows, []any{&name, &sum}, func() error {
		applied[name] = sum
		return nil
	})
	return applied, err
}

func applyMigration(ctx context.Context, conn *pgx.Conn, known []migration, one migration) error {
	const begin = "begin; set local statement_timeout = 0; set local lock_timeout = 60000; " +
		"select pg_advisory_xact_lock(hashtext('muster_migrations'))"
	err := func() error {
		if _, err := conn.PgConn().Exec(ctx, begin).ReadAll(); err != nil {
			return err
		}
		// Another member may have done it while we waited for the lock.
		missing, err := missingMigrations(ctx, conn, known)
		if err != nil {
			return err
		}
		for _, still := range missing {
			if still.name != one.name {
				continue
			}
			if _, err := conn.PgConn().Exec(ctx, one.sql).ReadAll(); err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, "insert into muster_migrations (name, sha256) values ($1, $2)", one.name, one.sha256); err != nil {
				return err
			}
		}
		_, err = conn.Exec(ctx, "commit")
		return err
	}()
	if err != nil {
		_, _ = conn.PgConn().Exec(ctx, "rollback").ReadAll()
		return schemaError(one.name, err)
	}
	return nil
}

// schemaError is what keeps the schema from being as it should, other than an outage.
func schemaError(name string, cause error) error {
	if HasCode(cause, CodeLedgerSchema) {
		return cause
	}
	if sqlState(cause) == "" || isOutage(cause) {
		return databaseUnreachable("checking the tables of the ledger", cause)
	}
	todo := "see what the database has under these names"
	if sqlState(cause) == stateNoPrivilege {
		todo = "apply packages/contracts/migrations as the tables' owner, and grant select, insert, update on them"
	}
	return &Error{Code: CodeLedgerSchema, Message: name + ": " + todo, Err: cause}
}
