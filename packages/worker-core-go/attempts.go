package muster

import "slices"

// maxHistory is how many history entries are kept, the last ones.
const maxHistory = 20

const (
	entryStarted = "started"
	entryFailed  = "failed"
	entrySnoozed = "snoozed"
)

// AttemptEntry is one start of a handler; one that is "started" never reported back (yet).
type AttemptEntry struct {
	Attempt    int    `json:"attempt"`
	Outcome    string `json:"outcome"`
	Member     string `json:"member"`
	Language   string `json:"language"`
	Version    string `json:"version"`
	StartedAt  string `json:"started_at"`
	EndedAt    string `json:"ended_at,omitempty"`
	ErrorClass string `json:"error_class,omitempty"`
	Error      string `json:"error,omitempty"`
	DelayMs    *int64 `json:"delay_ms,omitempty"`

	extra extraFields
}

// attemptsRecord is the limit on attempts and the history of a message.
type attemptsRecord struct {
	V         int            `json:"v"`
	Sequence  uint64         `json:"sequence"`
	StoreTime string         `json:"store_time"`
	EventID   string         `json:"event_id"`
	Attempts  int            `json:"attempts"`
	Snoozes   int            `json:"snoozes"`
	Delivery  uint64         `json:"delivery"`
	Open      bool           `json:"open"`
	History   []AttemptEntry `json:"history"`

	extra extraFields
}

type (
	plainEntry  AttemptEntry
	plainRecord attemptsRecord
)

// UnmarshalJSON keeps the fields it does not know.
func (e *AttemptEntry) UnmarshalJSON(data []byte) (err error) {
	e.extra, err = decodeWithExtra(data, (*plainEntry)(e))
	return err
}

// MarshalJSON writes them again.
func (e AttemptEntry) MarshalJSON() ([]byte, error) { return encodeWithExtra(plainEntry(e), e.extra) }

// UnmarshalJSON keeps the fields it does not know.
func (r *attemptsRecord) UnmarshalJSON(data []byte) (err error) {
	r.extra, err = decodeWithExtra(data, (*plainRecord)(r))
	return err
}

// MarshalJSON writes them again.
func (r attemptsRecord) MarshalJSON() ([]byte, error) {
	return encodeWithExtra(plainRecord(r), r.extra)
}

// admission is what a delivery may do. A suspect may have killed its last process: it runs alone.
type admission string

const (
	admitRun       admission = "run"
	admitSuspect   admission = "suspect"
	admitExhausted admission = "exhausted"
	admitCrashLoop admission = "crash_loop"
)

// admit says whether a delivery may run, and the number of its attempt. Another store time is
// another message under the same sequence, whose record says nothing of ours.
func admit(record *attemptsRecord, delivered uint64, storeTime string, maxAttempts int) (admission, int) {
	if record != nil && record.StoreTime != storeTime {
		record = nil
	}
	attempt := 1
	if record != nil {
		attempt = record.Attempts + 1
	}
	switch {
	case record != nil && record.Attempts >= maxAttempts && record.Open:
		return admitCrashLoop, attempt
	case record != nil && record.Attempts >= maxAttempts:
		return admitExhausted, attempt
	case delivered <= 1:
		return admitRun, attempt
	case record == nil || record.Open || record.Delivery != delivered-1:
		return admitSuspect, attempt
	default:
		return admitRun, attempt
	}
}

// noteStart counts a suspect's start before its handler runs, for it may never report back.
func (r attemptsRecord) noteStart(entry AttemptEntry, delivered uint64) attemptsRecord {
	r.Attempts++
	r.Open = true
	r.Delivery = delivered
	entry.Attempt, entry.Outcome = r.Attempts, entryStarted
	r.History = lastEntries(r.History, entry)
	return r
}

// fail is the record after a failed attempt; one whose start was noted is not counted twice.
func (r attemptsRecord) fail(entry AttemptEntry, delivered uint64) attemptsRecord {
	if r.isNoted(entry, delivered) {
		entry.Attempt = r.Attempts
		r.History = r.History[:len(r.History)-1]
	} else {
		r.Attempts++
		entry.Attempt = r.Attempts
	}
	entry.Outcome = entryFailed
	entry.ErrorClass, entry.Error = headerText(entry.ErrorClass, maxText), headerText(entry.Error, maxText)
	return r.settled(entry, delivered)
}

// snooze is the record after a snooze, which is no attempt: a noted start is taken back.
func (r attemptsRecord) snooze(entry AttemptEntry, delivered uint64) attemptsRecord {
	entry.Attempt = r.Attempts + 1
	if r.isNoted(entry, delivered) {
		entry.Attempt = r.Attempts
		r.Attempts--
		r.History = r.History[:len(r.History)-1]
	}
	r.Snoozes++
	entry.Outcome = entrySnoozed
	return r.settled(entry, delivered)
}

func (r attemptsRecord) settled(entry AttemptEntry, delivered uint64) attemptsRecord {
	r.Open = false
	r.Delivery = delivered
	r.History = lastEntries(r.History, entry)
	return r
}

func (r attemptsRecord) isNoted(entry AttemptEntry, delivered uint64) bool {
	if !r.Open || r.Delivery != delivered || len(r.History) == 0 {
		return false
	}
	last := r.History[len(r.History)-1]
	return last.Outcome == entryStarted && last.Member == entry.Member
}

// lastError is what a message that may not run again died of.
func (r attemptsRecord) lastError() (class, text string) {
	for _, entry := range slices.Backward(r.History) {
		if entry.Error != "" {
			if entry.ErrorClass == "" {
				return "Error", entry.Error
			}
			return entry.ErrorClass, entry.Error
		}
	}
	return "NeverReported", "handler started and never reported back"
}

// lastEntries copies: records of this type are values.
func lastEntries(history []AttemptEntry, entry AttemptEntry) []AttemptEntry {
	all := append(append(make([]AttemptEntry, 0, len(history)+1), history...), entry)
	return all[max(0, len(all)-maxHistory):]
}
