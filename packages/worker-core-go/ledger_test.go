package muster

import (
	"testing"

	"github.com/nats-io/nats.go"
)

func TestAStaleMessageJoinsTheRowAsItIsNow(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	l := &kvLedger{wire: &wire{conn: testConnection(t), prefix: "$JS.API"}, stream: g.stream, group: g.name, member: "m"}
	// Sequence 7, stored before the one at 42 died.
	m, _ := newMessage(&nats.Msg{
		Reply: "$JS.ACK." + g.stream + "." + g.name + ".2.7.9.100.0", Data: order("o-1", 1),
		Header: nats.Header{"Muster-Event-Id": {"o-1.created"}},
	}, g.stream, g.name)
	put := func(row ledgerRow) {
		_, err := g.bucket(ledgerBucket).Put(t.Context(), l.key(m.eventID), mustJSON(row))
		must(t, err)
	}
	dead := ledgerRow{
		V: 1, Status: statusDead, EventID: m.eventID, BodySHA256: m.identity().bodySHA256,
		Sequence: 42, StoreTime: "200", Sequences: []uint64{}, Reason: reasonPermanent,
	}
	put(dead)
	seen, err := l.lookUp(t.Context(), m)
	must(t, err)

	// Another stale copy was quicker: both are in the row.
	other := dead
	other.Sequences = []uint64{5}
	put(other)
	now, err := l.join(t.Context(), m, seen)
	must(t, err)
	equal(t, now.decision, rowStale)
	equal(t, g.row(m.eventID).Sequences, []uint64{5, 7})

	// It is in the row: nothing is written again.
	again, err := l.lookUp(t.Context(), m)
	must(t, err)
	_, err = l.join(t.Context(), m, again)
	must(t, err)
	equal(t, g.row(m.eventID).Sequences, []uint64{5, 7})

	// The event was done meanwhile with another body: the message is no stale one any more.
	done := dead
	done.Status, done.BodySHA256, done.Reason = statusDone, sha256Hex(order("o-1", 2)), ""
	put(done)
	now, err = l.join(t.Context(), m, seen)
	must(t, err)
	equal(t, now.decision, rowConflict)
	equal(t, len(g.row(m.eventID).Sequences), 0)
}
