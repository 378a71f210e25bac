package muster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

const requestTimeout = 5 * time.Second

// wire is all a member needs of NATS: publish and request. An error of [CodeUnreachable] says that
// there was no answer; what was asked may have happened all the same.
type wire struct {
	conn   *connection
	prefix string
}

// request waits for a connection where there is none; the time-out counts from here.
func (w *wire) request(ctx context.Context, subject string, headers map[string]string, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	bound, done, err := w.conn.whileUp(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	answer, err := w.conn.nc.RequestMsgWithContext(bound, &nats.Msg{Subject: subject, Header: natsHeader(headers), Data: body})
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, nats.ErrReconnectBufExceeded), bound.Err() != nil && ctx.Err() == nil:
		return nil, unreachable(nil, "request to %s: connection lost", subject)
	default:
		return nil, unreachable(err, "request to %s", subject)
	}
}

// pubAck is the answer of a stream to a publish.
type pubAck struct {
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// stored publishes to a stream and gives its PubAck. The error is of [CodeConflict] where a compare
// and set failed.
func (w *wire) stored(ctx context.Context, subject string, headers map[string]string, body []byte) (pubAck, error) {
	answer, err := w.request(ctx, subject, headers, body)
	if err != nil {
		return pubAck{}, err
	}
	return readPubAck(subject, answer.Data)
}

func readPubAck(subject string, data []byte) (pubAck, error) {
	var ack pubAck
	if err := json.Unmarshal(data, &ack); err != nil {
		return pubAck{}, unreachable(err, "the answer on %s is no PubAck", subject)
	}
	switch {
	case ack.Error != nil && ack.Error.ErrCode == wrongLastSequence:
		return pubAck{}, &Error{Code: CodeConflict, Message: subject + " changed meanwhile"}
	case ack.Error != nil:
		return pubAck{}, unreachable(nil, "not stored on %s: %s (%d)", subject, ack.Error.Description, ack.Error.ErrCode)
	case ack.Stream == "" || ack.Seq == 0:
		return pubAck{}, unreachable(nil, "the answer on %s is no PubAck", subject)
	}
	return ack, nil
}

// wrongLastSequence is the server's error code for a failed compare and set.
const wrongLastSequence = 10071
