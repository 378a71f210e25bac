package muster

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// commitRow commits a transaction with its row; false when another row stands in the way.
func (l *postgresLedger) commitRow(ctx context.Context, conn *pgx.Conn, row rowToWrite) (bool, error) {
	if row.revision > 0 {
		isThere, err := l.update(ctx, conn, row)
		if err != nil {
			return false, databaseUnreachable("writing a ledger row", err)
		}
		return isThere, commitWhere(ctx, conn, isThere)
	}
	// Sent together: where the insert fails, nothing is committed.
	batch := &pgx.Batch{}
	l.insertOne(batch, row)
	batch.Queue("commit")
	results := conn.SendBatch(ctx, batch)
	_, insertErr := results.Exec()
	if insertErr != nil {
		_ = results.Close()
		if isRowThere(insertErr) {
			return false, nil
		}
		return false, databaseUnreachable("writing a ledger row", insertErr)
	}
	tag, err := results.Exec()
	_ = results.Close()
	return err == nil, committed(tag.String(), err)
}

// commitRows commits a transaction with many rows: all or none. The answers say which are there.
func (l *postgresLedger) commitRows(ctx context.Context, conn *pgx.Conn, all []rowToWrite) ([]bool, bool, error) {
	written := make([]bool, len(all))
	order := make([]int, 0, len(all))
	seen := map[string]bool{}
	for i, row := range all {
		// Of a key given twice only the first.
		if !seen[row.hash] {
			seen[row.hash] = true
			order = append(order, i)
		}
	}
	// In the order of the keys, so that two batches do not wait for each other.
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(all[a].hash, all[b].hash) })
	var fresh []rowToWrite
	for _, i := range order {
		if all[i].revision == 0 {
			fresh = append(fresh, all[i])
		}
	}
	made := map[string]bool{}
	if len(fresh) > 0 {
		var err error
		if made, err = l.insertNew(ctx, conn, fresh); err != nil {
			return nil, false, databaseUnreachable("writing ledger rows", err)
		}
	}
	for _, i := range order {
		written[i] = made[all[i].hash]
		if all[i].revision > 0 {
			isThere, err := l.update(ctx, conn, all[i])
			if err != nil {
				return nil, false, databaseUnreachable("writing a ledger row", err)
			}
			written[i] = isThere
		}
	}
	areThere := !slices.Contains(written, false)
	return written, areThere, commitWhere(ctx, conn, areThere)
}

// commitWhere commits; what a constraint says that is checked only now is the handler's, and passes
// as it is.
func commitWhere(ctx context.Context, conn *pgx.Conn, isWanted bool) error {
	if !isWanted {
		return nil
	}
	tag, err := conn.Exec(ctx, "commit")
	return committed(tag.String(), err)
}

func committed(tag string, err error) error {
	switch {
	case err != nil && (sqlState(err) == "" || isOutage(err)):
		return databaseUnreachable("the commit", err)
	case err != nil:
		return err
	case tag != "COMMIT":
		return unreachable(nil, "the transaction was undone instead of committed")
	default:
		return nil
	}
}
