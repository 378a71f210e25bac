package muster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// PublisherConfig is what a publisher needs.
type PublisherConfig struct {
	// Conn is an open connection; it stays its owner's to close. nats.MaxReconnects(-1) keeps it trying
	// for ever.
	Conn *nats.Conn
	// Contract is its name, sent as Muster-Contract.
	Contract string
	// Schema is the contract's JSON Schema; what is published must match it.
	Schema []byte
	// Timeout is how long an answer may take, the wait for the connection included. Default 5 s.
	Timeout time.Duration
	// MaxInFlight messages of [Publisher.PublishAll] are under way at once. Default 256.
	MaxInFlight int
}

// PublishItem is one message to publish.
type PublishItem[T any] struct {
	Subject string
	Value   T
	// EventID is the event's business identity, `<order id>.<event>` or the like: publishing it again
	// is the same event. Default: a new UUIDv7.
	EventID string
	// MsgID is that by which the stream drops a second copy inside its dedupe window. Default: the
	// event id. A corrected version of a dead event needs another one.
	MsgID string
	// Header has further headers, printable ASCII; a traceparent here is kept.
	Header map[string]string
}

// Published is what a stream has accepted.
type Published struct {
	Stream   string
	Sequence uint64
	// Duplicate: it was there already, Sequence is that one's.
	Duplicate bool
	EventID   string
}

// PublishResult is what became of one message of [Publisher.PublishAll].
type PublishResult struct {
	Published

	// Err is a [*PublishError], nil where the message was accepted.
	Err error
}

// Publisher publishes messages of one contract to streams. It is safe for concurrent use.
type Publisher[T any] struct {
	config  PublisherConfig
	verdict *verdict
}

// NewPublisher makes a publisher. The error is of [CodeBadName] or [CodeBadSchema].
func NewPublisher[T any](config PublisherConfig) (*Publisher[T], error) {
	if !contractRe.MatchString(config.Contract) {
		return nil, &Error{Code: CodeBadName, Message: fmt.Sprintf("contract %q is no name: order.v1 would be one", config.Contract)}
	}
	v, err := newVerdict(config.Contract, config.Schema)
	if err != nil {
		return nil, err
	}
	if config.Timeout == 0 {
		config.Timeout = requestTimeout
	}
	if config.MaxInFlight == 0 {
		config.MaxInFlight = 256
	}
	return &Publisher[T]{config: config, verdict: v}, nil
}

// Publish returns when a stream has accepted the message, or with a [*PublishError].
func (p *Publisher[T]) Publish(ctx context.Context, item PublishItem[T]) (Published, error) {
	if item.EventID == "" {
		item.EventID = newEventID()
	}
	published := Published{EventID: item.EventID}
	body, headers, err := p.outgoing(ctx, item)
	if err != nil {
		return published, err
	}
	ack, err := p.send(ctx, &nats.Msg{Subject: item.Subject, Header: headers, Data: body}, item.EventID)
	if err != nil {
		return published, err
	}
	published.Stream, published.Sequence, published.Duplicate = ack.Stream, ack.Seq, ack.Duplicate
	return published, nil
}

// PublishAll publishes many, MaxInFlight at once, and gives a result for each, in their order.
func (p *Publisher[T]) PublishAll(ctx context.Context, items []PublishItem[T]) []PublishResult {
	results := make([]PublishResult, len(items))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(p.config.MaxInFlight, len(items)) {
		group.Go(func() {
			for i := range next {
				results[i].Published, results[i].Err = p.Publish(ctx, items[i])
			}
		})
	}
	for i := range items {
		next <- i
	}
	close(next)
	group.Wait()
	return results
}

// outgoing is the message as it goes out.
func (p *Publisher[T]) outgoing(ctx context.Context, item PublishItem[T]) ([]byte, nats.Header, error) {
	fail := func(code Code, text string) ([]byte, nats.Header, error) {
		return nil, nil, publishError(item.Subject, item.EventID, code, text, nil)
	}
	if !IsSubject(item.Subject) {
		return fail(CodeBadSubject, "a subject is made of printable tokens without wildcards")
	}
	headers := map[string]string{}
	for name, value := range item.Header {
		switch {
		case !headerNameRe.MatchString(name):
			return fail(CodeBadHeader, headerText(fmt.Sprintf("%q", name), maxText)+" is no header name")
		case reservedRe.MatchString(name):
			return fail(CodeBadHeader, "header "+name+" is set by an option or by Muster itself")
		case value != "" && !printableRe.MatchString(value):
			return fail(CodeBadHeader, "the value of "+name+" is not printable ASCII")
		}
		headers[name] = value
	}
	inject(ctx, headers)
	msgID := item.MsgID
	if msgID == "" {
		msgID = item.EventID
	}
	for name, value := range map[string]string{"Muster-Event-Id": item.EventID, "Nats-Msg-Id": msgID} {
		// A reader trims it: it would be another id there.
		if !isPlain(value) {
			return fail(CodeBadHeader, "the value of "+name+" is not printable ASCII, or begins or ends with a space")
		}
		headers[name] = value
	}
	headers["Muster-Contract"] = p.config.Contract
	body, err := encodeJSON(item.Value)
	if err != nil {
		return fail(CodeInvalid, "the value cannot be written as JSON: "+err.Error())
	}
	if _, code, text := p.verdict.judge(body); code != "" {
		return fail(CodeInvalid, text)
	}
	if size, most := headerBytes(headers)+len(body), int(p.config.Conn.MaxPayload()); most > 0 && size > most {
		return fail(CodeTooLarge, fmt.Sprintf("%d bytes are over the server's max_payload of %d", size, most))
	}
	return body, natsHeader(headers), nil
}

const (
	// A stream that has just lost its leader, or a server that has just started, has no responders for a
	// moment.
	triesWithoutResponders = 5
	withoutRespondersPause = 250 * time.Millisecond
)

func (p *Publisher[T]) send(ctx context.Context, msg *nats.Msg, eventID string) (pubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		if err := p.connected(ctx); err != nil {
			return pubAck{}, publishError(msg.Subject, eventID, CodeUnreachable, "not connected; it was not sent: publish it again", err)
		}
		answer, err := p.config.Conn.RequestMsgWithContext(ctx, msg)
		switch {
		case err == nil:
			return p.answered(msg, eventID, answer)
		case !errors.Is(err, nats.ErrNoResponders):
			return pubAck{}, publishError(msg.Subject, eventID, CodeUnreachable, "no answer"+publishAgain, err)
		case try == triesWithoutResponders || pause(ctx, withoutRespondersPause) != nil:
			return pubAck{}, publishError(msg.Subject, eventID, CodeNoStream, "no stream takes "+msg.Subject, nil)
		}
	}
}

func (p *Publisher[T]) answered(msg *nats.Msg, eventID string, answer *nats.Msg) (pubAck, error) {
	var ack pubAck
	err := json.Unmarshal(answer.Data, &ack)
	if err == nil && ack.Error != nil {
		code, text := refusalCode(ack.Error.ErrCode), fmt.Sprintf("%s (err_code %d)", ack.Error.Description, ack.Error.ErrCode)
		if code == CodeUnreachable {
			text += publishAgain
		}
		refused := publishError(msg.Subject, eventID, code, text, nil)
		refused.ErrCode = ack.Error.ErrCode
		return pubAck{}, refused
	}
	if err != nil || ack.Stream == "" || ack.Seq == 0 {
		return pubAck{}, publishError(msg.Subject, eventID, CodeUnreachable, "the answer is no PubAck"+publishAgain, err)
	}
	return ack, nil
}

// connected waits for a connection: the client would send what it is given now when it is back,
// however old it is by then.
func (p *Publisher[T]) connected(ctx context.Context) error {
	conn := p.config.Conn
	if conn.IsConnected() {
		return nil
	}
	changed := conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer conn.RemoveStatusListener(changed)
	for !conn.IsConnected() {
		select {
		case <-changed:
			if conn.IsClosed() {
				return nats.ErrConnectionClosed
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func publishError(subject, eventID string, code Code, text string, cause error) *PublishError {
	what := "publish of " + headerText(eventID, maxText) + " to " + headerText(subject, maxText) + ": "
	return &PublishError{Code: code, EventID: eventID, err: &Error{Code: code, Message: what + text, Err: cause}}
}

var (
	contractRe  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}([.][A-Za-z0-9_-]{1,60}){0,4}$`)
	printableRe = regexp.MustCompile(`^[ -~]*$`)
	// reservedRe has what is said by an option, or by Muster alone.
	reservedRe = regexp.MustCompile(`(?i)^(muster-(event-id$|contract$|dlq-|original-|replay-)|nats-msg-id$)`)
)
