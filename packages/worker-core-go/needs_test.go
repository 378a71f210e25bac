package muster

import "testing"

func TestWhatAMemberCannotWorkWithout(t *testing.T) {
	t.Parallel()
	c := Config{Stream: "S", Group: "g", APIPrefix: "JSF.API", InboxPrefix: "_OWN"}
	for text, want := range map[string]bool{
		`Publish to "JSF.API.CONSUMER.MSG.NEXT.S.g"`:        true,
		`Publish to "$KV.MUSTER_MEMBERS.S.g.m"`:             true,
		`Publish to "muster.dlq.S.g.permanent"`:             true,
		`Publish to "$JS.ACK.S.g.1.2.3.4.5"`:                true,
		`Publish to "$JS.ACK.domain.account.S.g.1.2.3.4.5"`: true,
		`Subscription to "orders.>" using queue "g"`:        true,
		`Subscription to "_OWN.abc.*"`:                      true,
		`Subscription to "muster.member.S.g.m.drain"`:       true,
		`Subscription to "muster.push.S.g"`:                 true,
		`Subscription to "orders.>"`:                        false,
		`Publish to "JSF.APIS.x"`:                           false,
		`Publish to "$KV.OTHER.x"`:                          false,
		`Publish to "muster.dlq.S.other.permanent"`:         false,
		`Publish to "$JS.ACK.S.other.1.2.3.4.5"`:            false,
		`Publish to "$JS.API.STREAM.DELETE.S"`:              false,
		`Publish to "_INBOX.of.who.commands"`:               false,
		`something else`:                                    false,
	} {
		if got := c.isNeeded("nats: permissions violation: Permissions Violation for " + text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
