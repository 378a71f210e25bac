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
	rest, isAck := strings.CutPrefix(subject, ackPrefix)
	if !isAck {
		return ackReply{}, false
	}
	switch count := strings.Count(rest, "."); {
	case count == shortTokens-1:
	case count >= shortTokens+1:
		_, rest, _ = strings.Cut(rest, ".")
		_, rest, _ = strings.Cut(rest, ".")
	default:
		return ackReply{}, false
	}
	var tokens [shortTokens]string
	for i := range tokens {
		tokens[i], rest, _ = strings.Cut(rest, ".")
	}
	if tokens[0] == "" || tokens[1] == "" {
		return ackReply{}, false
	}
	var numbers [5]uint64
	for i := range numbers {
		n, ok := parseDigits(tokens[2+i])
		if !ok {
			return ackReply{}, false
		}
		numbers[i] = n
	}
	return ackReply{
		stream: tokens[0], consumer: tokens[1],
		delivered: numbers[0], seq: numbers[1], storeTime: tokens[5], pending: numbers[4],
	}, true
}

// shortTokens: stream, consumer and the five numbers.
const shortTokens = 7

func parseDigits(s string) (uint64, bool) {
	if len(s) == 0 || len(s) > 19 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
