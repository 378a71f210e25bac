package muster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// rowToWrite is a row on its way into the table: under which key, and over which revision.
type rowToWrite struct {
	row  ledgerRow
	hash string
	// revision 0: there must be no row.
	revision uint64
}

// rowColumns are the columns of rows that are new, which have no further sequences yet.
type rowColumns struct {
	hashes, statuses, eventIDs, bodies []string
	sequences                          []int64
	storeTimes                         []string
	results, reasons, headers          []*string
	members, languages                 []string
	ats                                []time.Time
}

const newRowColumns = "event_hash, status, event_id, body_sha256, sequence, store_time, result, reason, headers, member, language, at"

func columnsOf(rows []rowToWrite) rowColumns {
	var c rowColumns
	for _, one := range rows {
		r := one.row
		c.hashes = append(c.hashes, one.hash)
		c.statuses = append(c.statuses, r.Status)
		c.eventIDs = append(c.eventIDs, insideJSON(r.EventID))
		c.bodies = append(c.bodies, r.BodySHA256)
		c.sequences = append(c.sequences, int64(r.Sequence))
		c.storeTimes = append(c.storeTimes, r.StoreTime)
		c.results = append(c.results, resultColumn(r))
		c.reasons = append(c.reasons, reasonColumn(r))
		c.headers = append(c.headers, headersColumn(r))
		c.members = append(c.members, r.Member)
		c.languages = append(c.languages, r.Language)
		c.ats = append(c.ats, parseTime(r.At))
	}
	return c
}

// selectRow finds a row and its revision; nil where there is none.
func (l *postgresLedger) selectRow(ctx context.Context, conn *pgx.Conn, eventID string) (*ledgerRow, uint64, error) {
	const sql = `select revision, status, event_id, body_sha256, sequence, store_time, sequences, more, result, reason,
		headers, member, language, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
		from muster_ledger where stream = $1 and grp = $2 and event_hash = $3`
	row := ledgerRow{V: 1}
	var revision, sequence, more int64
	var sequences []int64
	var id string
	var result, reason, headers *string
	err := conn.QueryRow(ctx, sql, l.stream, l.group, sha256Hex([]byte(eventID))).Scan(
		&revision, &row.Status, &id, &row.BodySHA256, &sequence, &row.StoreTime, &sequences, &more, &result, &reason,
		&headers, &row.Member, &row.Language, &row.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	row.Sequence, row.More = uint64(sequence), int(more)
	row.Sequences = make([]uint64, len(sequences))
	for i, one := range sequences {
		row.Sequences[i] = uint64(one)
	}
	err = json.Unmarshal([]byte(`"`+id+`"`), &row.EventID)
	if err == nil && result != nil {
		row.Result, err = json.RawMessage(*result), checkJSON(*result)
	}
	if reason != nil {
		row.Reason = *reason
	}
	if err == nil && headers != nil {
		err = json.Unmarshal([]byte(*headers), &row.Headers)
	}
	if err != nil || (row.Status != statusDone && row.Status != statusDead) {
		// It must not be overwritten: better to stop than to do an order twice.
		return nil, 0, unreachable(err, "ledger row of %s cannot be read", eventID)
	}
	return &row, uint64(revision), nil
}

// insertNew makes rows where there are none, and gives the hashes of those it made. No hash may be
// given twice.
func (l *postgresLedger) insertNew(ctx context.Context, conn *pgx.Conn, rows []rowToWrite) (map[string]bool, error) {
	const sql = "insert into muster_ledger (stream, grp, " + newRowColumns + ") select $1, $2, r.* " +
		"from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], " +
		"$10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[]) as r " +
		"on conflict (stream, grp, event_hash) do nothing returning event_hash"
	c := columnsOf(rows)
	found, err := conn.Query(ctx, sql, l.stream, l.group, c.hashes, c.statuses, c.eventIDs, c.bodies, c.sequences,
		c.storeTimes, c.results, c.reasons, c.headers, c.members, c.languages, c.ats)
	if err != nil {
		return nil, err
	}
	hashes, err := pgx.CollectRows(found, pgx.RowTo[string])
	made := make(map[string]bool, len(hashes))
	for _, hash := range hashes {
		made[hash] = true
	}
	return made, err
}

// insertOne makes a row, and fails where there is one: so the commit need not wait for the answer.
func (l *postgresLedger) insertOne(batch *pgx.Batch, row rowToWrite) {
	const sql = "insert into muster_ledger (stream, grp, " + newRowColumns + ") " +
		"values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
	r := row.row
	batch.Queue(sql, l.stream, l.group, row.hash, r.Status, insideJSON(r.EventID), r.BodySHA256, int64(r.Sequence),
		r.StoreTime, resultColumn(r), reasonColumn(r), headersColumn(r), r.Member, r.Language, parseTime(r.At))
}

// update writes over a dead row of that revision; false when it is not as it was.
func (l *postgresLedger) update(ctx context.Context, conn *pgx.Conn, row rowToWrite) (bool, error) {
	const sql = "update muster_ledger set revision = revision + 1, status = $5, body_sha256 = $6, sequence = $7, " +
		"store_time = $8, sequences = $9, more = $10, result = $11, reason = $12, headers = $13, member = $14, " +
		"language = $15, at = $16 where stream = $1 and grp = $2 and event_hash = $3 and revision = $4 and status = 'dead'"
	r := row.row
	tag, err := conn.Exec(ctx, sql, l.stream, l.group, row.hash, int64(row.revision), r.Status, r.BodySHA256, int64(r.Sequence),
		r.StoreTime, bigints(r.Sequences), int64(r.More), resultColumn(r), reasonColumn(r), headersColumn(r),
		r.Member, r.Language, parseTime(r.At))
	return tag.RowsAffected() == 1, err
}

// updateSequences notes further sequences in a row of that revision.
func (l *postgresLedger) updateSequences(ctx context.Context, conn *pgx.Conn, row ledgerRow, revision uint64) (bool, error) {
	const sql = "update muster_ledger set revision = revision + 1, sequences = $5, more = $6 " +
		"where stream = $1 and grp = $2 and event_hash = $3 and revision = $4"
	tag, err := conn.Exec(ctx, sql, l.stream, l.group, sha256Hex([]byte(row.EventID)), int64(revision), bigints(row.Sequences), int64(row.More))
	return tag.RowsAffected() == 1, err
}

// tryInsert shows whether a row could be made, and makes none.
func (l *postgresLedger) tryInsert(ctx context.Context, conn *pgx.Conn) error {
	// Names need no quoting: they are checked, and their letters are few.
	sql := "begin; insert into muster_ledger (stream, grp, event_hash, status, event_id, body_sha256, sequence, " +
		"store_time, member, language, at) values ('" + l.stream + "', '" + l.group + "', 'reachable " + l.member + "', 'done', '', '', 0, '', '', '', now()) " +
		"on conflict do nothing; rollback"
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil && conn.PgConn().TxStatus() != 'I' {
		_, _ = conn.PgConn().Exec(ctx, "rollback").ReadAll()
	}
	return err
}

func resultColumn(r ledgerRow) *string {
	if r.Result == nil {
		return nil
	}
	text := asciiJSON(r.Result)
	return &text
}

func reasonColumn(r ledgerRow) *string {
	if r.Reason == "" {
		return nil
	}
	return &r.Reason
}

func headersColumn(r ledgerRow) *string {
	if r.Headers == nil {
		return nil
	}
	text := asciiJSON(r.Headers)
	return &text
}

// insideJSON is a text as it stands inside a JSON string, which any encoding of a database holds.
func insideJSON(text string) string {
	quoted := asciiJSON(text)
	return quoted[1 : len(quoted)-1]
}

func checkJSON(text string) error {
	if !json.Valid([]byte(text)) {
		return errors.New("the result is not JSON")
	}
	return nil
}

func bigints(numbers []uint64) []int64 {
	all := make([]int64, len(numbers))
	for i, n := range numbers {
		all[i] = int64(n)
	}
	return all
}

func parseTime(text string) time.Time {
	at, err := time.Parse(timeFormat, text)
	if err != nil {
		return time.Now()
	}
	return at
}
