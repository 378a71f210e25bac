package muster

import "context"

// batchRounds is how often a batch whose transaction was undone is run before its messages are given
// back.
const batchRounds = 3

// batchSettlement ends the messages of a batch, each by its own outcome. With a transaction the rows
// of all that are done go in with it: where one of them stands in the way everything is undone, and
// the handler runs again without that one.
type batchSettlement struct {
	*settleParts

	steps      *steps
	dead       *dead
	settlement *settlement
}

// settle ends messages by their outcomes; it gives back those whose handler has to run again.
func (s *batchSettlement) settle(ctx context.Context, ready []*delivery, outcomes []Outcome, tx *transaction) []*delivery {
	var good []*delivery
	var writes []rowWrite
	var others []int
	for i, d := range ready {
		result, err := encodeResult(outcomes[i].Result)
		if tx == nil || outcomes[i].Err != nil || err != nil {
			// The transaction is the batch's: it is not undone for one message that failed.
			d.tx = nil
			others = append(others, i)
			continue
		}
		good = append(good, d)
		writes = append(writes, rowWrite{message: d.message, lookUp: d.lookUp, status: statusDone, result: result})
	}
	var again []*delivery
	if len(good) > 0 {
		again = s.commit(ctx, good, writes, tx)
	} else {
		tx.rollback(ctx)
	}
	each(len(others), func(at int) {
		i := others[at]
		if tx != nil && HasCode(outcomes[i].Err, CodeUnreachable) {
			s.steps.broken(ready[i].message, outcomes[i].Err)
			return
		}
		_, err := s.settlement.settle(ctx, ready[i], handled{outcomes[i].Result, outcomes[i].Err})
		s.guard(ready[i], err)
	})
	return again
}

// missed: the handler missed its deadline, every message of the batch has failed once.
func (s *batchSettlement) missed(ctx context.Context, r *handling) {
	class, text := deadlineError(r.timeout)
	each(len(r.deliveries), func(i int) {
		s.guard(r.deliveries[i], s.settlement.retry(ctx, r.deliveries[i], retryCause{class: class, text: text}))
	})
}

// late: the handler ended after its deadline; what it still committed is honoured.
func (s *batchSettlement) late(ctx context.Context, ready []*delivery, outcomes []Outcome, tx *transaction) {
	if !tx.isOpen() {
		each(len(ready), func(i int) {
			s.guard(ready[i], s.settlement.late(ctx, ready[i], handled{outcomes[i].Result, outcomes[i].Err}))
		})
		return
	}
	var done []*delivery
	var writes []rowWrite
	for i, d := range ready {
		if result, err := encodeResult(outcomes[i].Result); err == nil && outcomes[i].Err == nil {
			done = append(done, d)
			writes = append(writes, rowWrite{message: d.message, lookUp: d.lookUp, status: statusDone, result: result})
		}
	}
	if len(done) == 0 {
		tx.rollback(ctx)
		return
	}
	written, err := s.ledger.writeAll(ctx, writes, tx)
	each(len(done), func(i int) {
		switch {
		case err != nil:
			s.guard(done[i], err)
		case all(written):
			s.guard(done[i], s.settlement.written(ctx, done[i]))
		}
	})
}

// giveUp gives back what was undone too often.
func (s *batchSettlement) giveUp(deliveries []*delivery) {
	for _, d := range deliveries {
		s.steps.broken(d.message, changing(d.message))
	}
}

func (s *batchSettlement) commit(ctx context.Context, good []*delivery, writes []rowWrite, tx *transaction) []*delivery {
	written, err := s.ledger.writeAll(ctx, writes, tx)
	decided := make([]bool, len(good))
	each(len(good), func(i int) {
		d := good[i]
		switch {
		case err != nil && !HasCode(err, CodeUnreachable):
			// The database says no to what the handler did: a failure of all.
			d.tx = nil
			s.guard(d, s.settlement.failed(ctx, d, err))
		case err != nil:
			s.guard(d, err)
		case all(written):
			s.guard(d, s.settlement.written(ctx, d))
		case !written[i]:
			// Everything was undone. What the ledger has by now is settled by its row.
			isDecided, err := s.dead.isDecidedElsewhere(ctx, d)
			decided[i] = isDecided || err != nil
			s.guard(d, err)
			return
		default:
			return
		}
		decided[i] = true
	})
	var again []*delivery
	for i, d := range good {
		if !decided[i] {
			again = append(again, d)
		}
	}
	return again
}

// guard: an outage gives the message back.
func (s *batchSettlement) guard(d *delivery, err error) {
	if err != nil {
		s.steps.broken(d.message, err)
	}
}

func all(written []bool) bool {
	for _, is := range written {
		if !is {
			return false
		}
	}
	return true
}
