package muster

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/nats-io/nats.go"
)

const (
	// maxHeaderBytes is the largest header block that a JetStream message may have: beyond it no
	// stream takes the dead letter.
	maxHeaderBytes = 65_535
	headerHistory  = "Muster-Dlq-History"
	headerReason   = "Muster-Dlq-Reason"
	headerError    = "Muster-Dlq-Error"
)

// headerNameRe has the names that every client publishes: the tokens of HTTP. This one refuses a
// message with any other name, and a dead letter that cannot be published would come back for ever.
var headerNameRe = regexp.MustCompile("^[!#$%&'*+.0-9A-Z^_`a-z|~-]+$")

// replayNumber is how often the message says it was replayed; anything odd counts as 0.
func replayNumber(text string) int {
	if len(text) > 9 {
		return 0
	}
	n, _ := parseDigits(text)
	return int(n)
}

// deadLetterFacts is what a dead letter tells of its message.
type deadLetterFacts struct {
	Stream       string         `json:"stream"`
	Seq          uint64         `json:"seq"`
	StoreTime    string         `json:"store_time"`
	Subject      string         `json:"subject"`
	Group        string         `json:"group"`
	Reason       string         `json:"reason"`
	ErrorClass   string         `json:"error_class"`
	Error        string         `json:"error"`
	Attempts     int            `json:"attempts"`
	FirstAt      string         `json:"first_at"`
	LastAt       string         `json:"last_at"`
	Member       string         `json:"member"`
	Language     string         `json:"language"`
	Version      string         `json:"version"`
	Contract     string         `json:"contract"`
	EventID      string         `json:"event_id"`
	ReplayNumber int            `json:"replay_number"`
	History      []AttemptEntry `json:"history"`
}

// deadLetterHeaders is the header set of a dead letter. What does not fit into limit bytes goes:
// history entries, oldest first, then copied headers, largest first.
func deadLetterHeaders(original map[string]string, facts deadLetterFacts, limit int) map[string]string {
	copies, ours := copiedHeaders(original), ownHeaders(facts)
	limit = min(limit, maxHeaderBytes)
	room := limit - headerBytes(ours)
	size := headerBytes(copies) - blockBytes
	letter := maps.Clone(copies)
	maps.Copy(letter, ours)

	if history, ok := fittingHistory(facts.History, room-size); ok {
		letter[headerHistory] = history
		return letter
	}
	for _, name := range largestFirst(copies) {
		if size <= room {
			break
		}
		size -= entryBytes(name, copies[name])
		delete(letter, name)
	}
	return letter
}

// copiedHeaders drops what would speak in our name and renames what the server would obey.
func copiedHeaders(original map[string]string) map[string]string {
	copies := make(map[string]string, len(original))
	for name, value := range original {
		lower := strings.ToLower(name)
		if !headerNameRe.MatchString(name) || strings.HasPrefix(lower, "muster-dlq-") {
			continue
		}
		as := name
		if strings.HasPrefix(lower, "nats-") {
			as = "Muster-Original-" + name
			if _, taken := original[as]; taken {
				continue
			}
		}
		copies[as] = headerText(value, noLimit)
	}
	return copies
}

func ownHeaders(f deadLetterFacts) map[string]string {
	id := DeadLetterID(f.Group, f.EventID, f.Seq, f.StoreTime)
	return map[string]string{
		"Nats-Msg-Id":              id,
		"Muster-Dlq-Id":            id,
		"Muster-Dlq-Stream":        f.Stream,
		"Muster-Dlq-Seq":           strconv.FormatUint(f.Seq, 10),
		"Muster-Dlq-Store-Time":    f.StoreTime,
		"Muster-Dlq-Subject":       headerText(f.Subject, maxText),
		"Muster-Dlq-Group":         f.Group,
		headerReason:               f.Reason,
		"Muster-Dlq-Error-Class":   headerText(f.ErrorClass, maxText),
		headerError:                headerText(f.Error, maxText),
		"Muster-Dlq-Attempts":      strconv.Itoa(f.Attempts),
		"Muster-Dlq-First-At":      f.FirstAt,
		"Muster-Dlq-Last-At":       f.LastAt,
		"Muster-Dlq-Member":        f.Member,
		"Muster-Dlq-Language":      f.Language,
		"Muster-Dlq-Version":       headerText(f.Version, maxText),
		"Muster-Dlq-Contract":      headerText(f.Contract, maxText),
		"Muster-Dlq-Event-Id":      headerText(f.EventID, maxText),
		"Muster-Dlq-Replay-Number": strconv.Itoa(f.ReplayNumber),
		"Muster-Dlq-Fingerprint":   fingerprint(f.Reason, f.Error),
	}
}

func fittingHistory(history []AttemptEntry, room int) (string, bool) {
	for from := range history {
		text := asciiJSON(history[from:])
		if entryBytes(headerHistory, text) <= room {
			return text, true
		}
	}
	return "", false
}

func largestFirst(copies map[string]string) []string {
	return slices.SortedFunc(maps.Keys(copies), func(a, b string) int {
		bySize := cmp.Compare(entryBytes(b, copies[b]), entryBytes(a, copies[a]))
		return cmp.Or(bySize, cmp.Compare(b, a))
	})
}

// asciiJSON needs no trimming or escaping as headerText does: JSON has no control characters.
func asciiJSON(value any) string {
	var b strings.Builder
	for _, r := range string(mustJSON(value)) {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// blockBytes is what a header block takes besides its entries.
const blockBytes = 12

func headerBytes(headers map[string]string) int {
	n := blockBytes
	for name, value := range headers {
		n += entryBytes(name, value)
	}
	return n
}

func entryBytes(name, value string) int { return len(name) + len(value) + 4 }

func natsHeader(headers map[string]string) nats.Header {
	h := make(nats.Header, len(headers))
	for name, value := range headers {
		// A row that no member wrote may have what this client refuses.
		if headerNameRe.MatchString(name) {
			h[name] = []string{value}
		}
	}
	return h
}
