package muster

import (
	"strconv"
	"strings"
)

const ackPrefix = "$JS.ACK."

// ackReply is what the server says of a delivery in the subject that its ack goes to.
type ackReply struct {
	stream   string
	consumer string
	// delivered is how often the server handed the message out, this time included.
	delivered uint64
	seq       uint64
	// storeTime is nanoseconds since 1970. Text: it is part of the message's identity.
	storeTime string
	pending   uint64
}

// parseAckReply reads both forms of an ack subject: with 9 tokens, and with 11 or more, which
// begin with domain and account.
func parseAckReply(subject string) (ackReply, bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 9 || len(tokens) == 10 || tokens[0] != "$JS" || tokens[1] != "ACK" {
		return ackReply{}, false
	}
	rest := tokens[2:]
	if len(tokens) > 9 {
		rest = tokens[4:]
	}
	if rest[0] == "" || rest[1] == "" {
		return ackReply{}, false
	}
	var numbers [5]uint64
	for i := range numbers {
		n, ok := parseDigits(rest[2+i])
		if !ok {
			return ackReply{}, false
		}
		numbers[i] = n
	}
	return ackReply{
		stream: rest[0], consumer: rest[1],
		delivered: numbers[0], seq: numbers[1], storeTime: rest[5], pending: numbers[4],
	}, true
}

func parseDigits(s string) (uint64, bool) {
	if len(s) == 0 || len(s) > 19 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
