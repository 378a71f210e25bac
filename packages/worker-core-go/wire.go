package muster

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const requestTimeout = 5 * time.Second

// wire is all a member needs of NATS: publish and request. An error of [CodeUnreachable] says that
// there was no answer; what was asked may have happened all the same.
type wire struct {
	nc     *nats.Conn
	prefix string
}

func (w *wire) request(ctx context.Context, subject string, headers map[string]string, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := w.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: natsHeader(headers), Data: body})
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, unreachable(nil, "not connected")
	case err != nil:
		return nil, unreachable(err, "no answer on %s", subject)
	}
	return answer, nil
}

// stored publishes to a stream and gives the sequence of its PubAck. The error is of
// [CodeConflict] where a compare and set failed.
func (w *wire) stored(ctx context.Context, subject string, headers map[string]string, body []byte) (uint64, error) {
	answer, err := w.request(ctx, subject, headers, body)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
		Error  *struct {
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, unreachable(err, "the answer on %s is no PubAck", subject)
	}
	switch {
	case ack.Error != nil && ack.Error.ErrCode == wrongLastSequence:
		return 0, &Error{Code: CodeConflict, Message: subject + " changed meanwhile"}
	case ack.Error != nil:
		return 0, unreachable(nil, "not stored on %s: %d %s", subject, ack.Error.ErrCode, ack.Error.Description)
	case ack.Stream == "" || ack.Seq == 0:
		return 0, unreachable(nil, "the answer on %s is no PubAck", subject)
	}
	return ack.Seq, nil
}

// wrongLastSequence is the server's error code for a failed compare and set.
const wrongLastSequence = 10071

func (w *wire) publish(subject string, body []byte) error {
	if err := w.nc.Publish(subject, body); err != nil {
		return unreachable(err, "not published on %s", subject)
	}
	return nil
}

// flush returns when the server has read all that was published before.
func (w *wire) flush(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := w.nc.FlushWithContext(ctx); err != nil {
		return unreachable(err, "not flushed")
	}
	return nil
}

// The answers to a delivery. Published by hand: the libraries swallow an ack after a nak.

func ackBody() []byte        { return []byte("+ACK") }
func inProgressBody() []byte { return []byte("+WPI") }

func nakBody(delay time.Duration) []byte {
	if delay <= 0 {
		return []byte("-NAK")
	}
	return []byte(`-NAK {"delay":` + strconv.FormatInt(delay.Nanoseconds(), 10) + `}`)
}

func termBody(reason string) []byte { return []byte("+TERM " + reason) }
