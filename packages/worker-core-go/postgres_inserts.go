package muster

import "sync"

const (
	mostRows        = 100
	mostUnderWay    = 2
	mostFailedApart = 2
)

// inserts writes new rows of messages that end together in one statement: one by one each would wait
// for a commit of its own. While two statements are under way the next rows gather.
type inserts struct {
	// insert makes the rows that are not there yet, and gives the hashes of those it made.
	insert func(rows []rowToWrite) (map[string]bool, error)

	mu      sync.Mutex
	waiting []*insertEntry
	// hashes under way: two copies of one event never meet in a statement, the second finds the
	// first's row.
	hashes   map[string]bool
	underWay int
	writers  sync.WaitGroup
}

type insertEntry struct {
	row  rowToWrite
	done chan insertResult
}

type insertResult struct {
	isMade bool
	err    error
}

func newInserts(insert func(rows []rowToWrite) (map[string]bool, error)) *inserts {
	return &inserts{insert: insert, hashes: map[string]bool{}}
}

// add is true when the row was made, false when there is one.
func (i *inserts) add(row rowToWrite) (bool, error) {
	entry := &insertEntry{row: row, done: make(chan insertResult, 1)}
	i.mu.Lock()
	i.waiting = append(i.waiting, entry)
	i.pumpLocked()
	i.mu.Unlock()
	result := <-entry.done
	return result.isMade, result.err
}

// close waits for what is under way.
func (i *inserts) close() { i.writers.Wait() }

func (i *inserts) pumpLocked() {
	for i.underWay < mostUnderWay {
		entries := i.takeLocked()
		if len(entries) == 0 {
			return
		}
		i.underWay++
		i.writers.Go(func() { i.write(entries) })
	}
}

func (i *inserts) takeLocked() []*insertEntry {
	var taken, left []*insertEntry
	for at, entry := range i.waiting {
		if len(taken) == mostRows {
			left = append(left, i.waiting[at:]...)
			break
		}
		if i.hashes[entry.row.hash] {
			left = append(left, entry)
			continue
		}
		i.hashes[entry.row.hash] = true
		taken = append(taken, entry)
	}
	i.waiting = left
	return taken
}

func (i *inserts) write(entries []*insertEntry) {
	if err := i.settle(entries); err != nil {
		i.writeApart(entries, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, entry := range entries {
		delete(i.hashes, entry.row.hash)
	}
	i.underWay--
	i.pumpLocked()
}

func (i *inserts) settle(entries []*insertEntry) error {
	rows := make([]rowToWrite, len(entries))
	for at, entry := range entries {
		rows[at] = entry.row
	}
	made, err := i.insert(rows)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		entry.done <- insertResult{isMade: made[entry.row.hash]}
	}
	return nil
}

// writeApart: one row may have failed them all, with a lock that somebody holds on it; two, and it is
// the table.
func (i *inserts) writeApart(entries []*insertEntry, err error) {
	failed := mostFailedApart
	if len(entries) > 1 && isOfOneRow(err) {
		failed = 0
	}
	for _, entry := range entries {
		if failed < mostFailedApart {
			one := i.settle([]*insertEntry{entry})
			if one == nil {
				continue
			}
			err = one
			failed++
		}
		entry.done <- insertResult{err: err}
	}
}
