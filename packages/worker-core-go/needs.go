package muster

import (
	"regexp"
	"strings"
)

var forbiddenRe = regexp.MustCompile(`(Publish|Subscription) to "(\S+)"(?: using queue "(\S+)")?`)

// isNeeded reports whether a member cannot work without what the server refused it: what it subscribes
// to and publishes by itself. Not what a handler does, nor what came with a message: who sends one could
// otherwise end the member. refusal is the server's text.
func (c Config) isNeeded(refusal string) bool {
	match := forbiddenRe.FindStringSubmatch(refusal)
	if match == nil {
		return false
	}
	subject, queue := match[2], match[3]
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
	if match[1] == "Subscription" {
		return queue == c.Group ||
			begins(strings.Split(c.InboxPrefix, ".")...) ||
			begins("muster", "member", c.Stream, c.Group) ||
			begins("muster", "push", c.Stream, c.Group)
	}
	return begins(strings.Split(c.APIPrefix, ".")...) ||
		strings.HasPrefix(subject, "$KV.MUSTER_") ||
		begins("muster", "dlq", c.Stream, c.Group) ||
		begins("$JS", "ACK", c.Stream, c.Group) ||
		begins("$JS", "ACK", "*", "*", c.Stream, c.Group)
}
