package muster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func testPublisher(t *testing.T, g *group) *Publisher[json.RawMessage] {
	t.Helper()
	schema, err := os.ReadFile(contractsDir + "/schemas/order.v1.json")
	must(t, err)
	p, err := NewPublisher[json.RawMessage](PublisherConfig{Conn: g.nc, Contract: "order.v1", Schema: schema, Timeout: 20 * time.Second})
	must(t, err)
	return p
}

func TestAPublisherTellsWhatTheStreamHasAccepted(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	p := testPublisher(t, g)
	item := PublishItem[json.RawMessage]{Subject: g.subject("created"), Value: order("a", 1), EventID: "a.created", Header: map[string]string{"X": "y"}}
	first, err := p.Publish(t.Context(), item)
	must(t, err)
	equal(t, first, Published{Stream: g.stream, Sequence: 1, EventID: "a.created"})
	again, err := p.Publish(t.Context(), item)
	must(t, err)
	equal(t, again, Published{Stream: g.stream, Sequence: 1, Duplicate: true, EventID: "a.created"})
	stream, err := g.js.Stream(t.Context(), g.stream)
	must(t, err)
	msg, err := stream.GetMsg(t.Context(), 1)
	must(t, err)
	equal(t, Header(msg.Header).last(), map[string]string{
		"Muster-Event-Id": "a.created", "Nats-Msg-Id": "a.created", "Muster-Contract": "order.v1", "X": "y",
	})
	equal(t, msg.Data, order("a", 1))
	// A corrected version keeps the event id under another message id.
	item.MsgID = "a.created.2"
	corrected, err := p.Publish(t.Context(), item)
	must(t, err)
	equal(t, corrected.Duplicate, false)
}

func TestEachItemHasItsOwnResult(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	p := testPublisher(t, g)
	items := make([]PublishItem[json.RawMessage], 1000)
	for i := range items {
		items[i] = PublishItem[json.RawMessage]{Subject: g.subject("created"), Value: order(fmt.Sprint(i), 1)}
	}
	items[7].Value = json.RawMessage(`{"id":7}`)
	items[8].Subject = "a.*"
	items[9].Header = map[string]string{"Muster-Dlq-Id": "x"}
	items[10].Subject = "nobody.takes.it"
	items[11].EventID = "ü"
	results := p.PublishAll(t.Context(), items)
	codes := map[int]Code{}
	ids := map[string]bool{}
	for i, result := range results {
		if failed, ok := errors.AsType[*PublishError](result.Err); ok {
			codes[i] = failed.Code
			equal(t, HasCode(result.Err, failed.Code), true)
			continue
		}
		ids[result.EventID] = true
	}
	equal(t, codes, map[int]Code{7: CodeInvalid, 8: CodeBadSubject, 9: CodeBadHeader, 10: CodeNoStream, 11: CodeBadHeader})
	equal(t, []any{len(ids), g.messages()}, []any{995, uint64(995)})
}

func TestAFullStreamAndAMessageThatIsTooLargeAreTold(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	p := testPublisher(t, g)
	stream, err := g.js.Stream(t.Context(), g.stream)
	must(t, err)
	config := stream.CachedInfo().Config
	config.MaxMsgs, config.Discard, config.MaxMsgSize = 1, jetstream.DiscardNew, 2000
	_, err = g.js.UpdateStream(t.Context(), config)
	must(t, err)
	send := func(size int) error {
		header := map[string]string{"X": strings.Repeat("x", size)}
		_, err := p.Publish(t.Context(), PublishItem[json.RawMessage]{Subject: g.subject("created"), Value: order("a", 1), Header: header})
		return err
	}
	equal(t, HasCode(send(3000), CodeTooLarge), true)
	equal(t, HasCode(send(2_000_000), CodeTooLarge), true)
	must(t, send(1))
	var failed *PublishError
	err = send(1)
	equal(t, []any{errors.As(err, &failed), HasCode(err, CodeStreamFull)}, []any{true, true})
	if failed.ErrCode == 0 {
		t.Error("the server's code is missing")
	}
}

func TestAPublisherWaitsForTheConnection(t *testing.T) {
	t.Parallel()
	s := ownServer(t)
	g := newGroup(t, s)
	p := testPublisher(t, g)
	s.kill()
	eventually(t, "the connection to be lost", func() bool { return !g.nc.IsConnected() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	item := PublishItem[json.RawMessage]{Subject: g.subject("created"), Value: order("a", 1)}
	_, err := p.Publish(ctx, item)
	equal(t, HasCode(err, CodeUnreachable), true)
	p.config.Timeout = 15 * time.Second
	published := make(chan error, 1)
	go func() {
		_, err := p.Publish(context.Background(), item)
		published <- err
	}()
	must(t, s.start())
	must(t, <-published)
	// What was given up was not sent later.
	equal(t, g.messages(), uint64(1))
}

func TestAnEventIDIsAUUIDOfVersion7ThatSorts(t *testing.T) {
	t.Parallel()
	before := newEventID()
	time.Sleep(2 * time.Millisecond)
	after := newEventID()
	equal(t, []any{len(before), before[14], before < after}, []any{36, byte('7'), true})
	if !strings.ContainsAny(string(before[19]), "89ab") {
		t.Errorf("variant %c", before[19])
	}
}
