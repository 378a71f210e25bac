package muster

import "slices"

// The codes of a [PublishError], besides [CodeUnreachable]: then the message may have been accepted,
// and publishing the same again with the same event id is safe.
const (
	// CodeInvalid: the value does not match the contract, the text says where.
	CodeInvalid Code = "invalid"
	// CodeBadSubject and CodeBadHeader: it cannot be sent so.
	CodeBadSubject Code = "bad_subject"
	CodeBadHeader  Code = "bad_header"
	// CodeTooLarge: over the server's max_payload or the stream's max_msg_size.
	CodeTooLarge Code = "too_large"
	// CodeNoStream: no stream takes the subject.
	CodeNoStream Code = "no_stream"
	// CodeStreamFull: a limit of the stream or of the account is reached.
	CodeStreamFull Code = "stream_full"
	// CodeRefused: the server said no for another reason, see ErrCode.
	CodeRefused Code = "refused"
)

// PublishError is a message that was not accepted, or of which that is not known. It wraps an
// [Error] of the same code.
type PublishError struct {
	Code Code
	// EventID of the message, also where it was made by the publisher.
	EventID string
	// ErrCode is JetStream's, where the server answered with one.
	ErrCode int

	err *Error
}

func (e *PublishError) Error() string { return e.err.Error() }

// Unwrap gives the [Error].
func (e *PublishError) Unwrap() error { return e.err }

const errCodeTooLarge = 10054

var (
	// Limits of the stream (10077), and of storage, memory and the account.
	errCodesFull = []int{10077, 10047, 10028, 10023, 10002}
	// No leader, or the same message is being stored at this moment: it may be in the stream a moment
	// later.
	errCodesTemporary = []int{10008, 10009, 10158, 10167}
)

const publishAgain = "; it may have been accepted: publish the same again with the same event id"

// refusalCode is the code for what a stream answered.
func refusalCode(errCode int) Code {
	switch {
	case errCode == errCodeTooLarge:
		return CodeTooLarge
	case slices.Contains(errCodesFull, errCode):
		return CodeStreamFull
	case slices.Contains(errCodesTemporary, errCode):
		return CodeUnreachable
	default:
		return CodeRefused
	}
}
