package muster

import (
	"regexp"
	"strings"
)

var forbiddenRe = regexp.MustCompile(`(Publish|Subscription) to "(\S+)"`)

// isNeeded reports whether a member cannot work without what the server refused it: all that it
// subscribes to, and what it publishes by itself. Not what came with a message: who sends one could
// otherwise end the member. refusal is the server's text.
func (c Config) isNeeded(refusal string) bool {
	match := forbiddenRe.FindStringSubmatch(refusal)
	if match == nil {
		return false
	}
	subject := match[2]
	tokens := strings.Split(subject, ".")
	begins := func(start ...string) bool {
		if len(tokens) < len(start) {
			return false
		}
		for i, token := range start {
			if token != "*" && token != tokens[i] {
				return false
			}
		}
		return true
	}
	return match[1] == "Subscription" ||
		begins(strings.Split(c.APIPrefix, ".")...) ||
		strings.HasPrefix(subject, "$KV.MUSTER_") ||
		begins("muster", "dlq", c.Stream, c.Group) ||
		begins("$JS", "ACK", c.Stream, c.Group) ||
		begins("$JS", "ACK", "*", "*", c.Stream, c.Group)
}
