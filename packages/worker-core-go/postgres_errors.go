package muster

import (
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// outageRe has the states that say nothing about the statement: connection, resources, shutdown,
	// input and output of the server; a database that is read only, a session or lock that waited too
	// long, a transaction that lost against another.
	outageRe = regexp.MustCompile(`^(08...|53...|57P0[1-5]|58...|25006|25P0[34]|55P03|40001|40P01)$`)
	// oneRowRe has the states that may come of one row among many: its lock, its conflict, what it
	// holds.
	oneRowRe = regexp.MustCompile(`^(55P03|40001|40P01|22...|23...|54...)$`)
)

const (
	stateUniqueViolation   = "23505"
	stateFailedTransaction = "25P02"
	stateIdleTransaction   = "25P03"
	stateNoPrivilege       = "42501"
)

// sqlState of what the database said; "" for an error of the connection or of this process.
func sqlState(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Code
	}
	return ""
}

// isOutage: the database cannot now, rather than that the statement is wrong.
func isOutage(err error) bool { return outageRe.MatchString(sqlState(err)) }

// isOfOneRow: the other rows of the statement might be written without one of them.
func isOfOneRow(err error) bool { return oneRowRe.MatchString(sqlState(err)) }

// isRowThere: an insert failed because there is a row of that key.
func isRowThere(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && said.Code == stateUniqueViolation && said.ConstraintName == "muster_ledger_pkey"
}

// databaseUnreachable counts no attempt. What failed is told, the cause is kept.
func databaseUnreachable(what string, cause error) error {
	if _, isOurs := errors.AsType[*Error](cause); isOurs {
		return cause
	}
	return unreachable(cause, "%s", what)
}
