package muster

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Code tells errors apart; their text is for people.
type Code string

// The codes of this package.
const (
	CodeBadConfig Code = "bad_config"
	CodeBadName   Code = "bad_name"
	CodeBadSpec   Code = "bad_spec"
	CodeBadSchema Code = "bad_schema"
	// CodeUnreachable: something did not answer; whether it did what it was asked is not known.
	CodeUnreachable Code = "unreachable"
	CodeConflict    Code = "conflict"
	CodeIDTaken     Code = "id_taken"
	CodeForced      Code = "forced"
	// CodeLoginRefused: the server does not let the member in.
	CodeLoginRefused Code = "login_refused"
	// CodeNotPermitted: the server refuses what the member needs.
	CodeNotPermitted Code = "not_permitted"
	// CodeCannotListen: the port of metrics and health cannot be had.
	CodeCannotListen Code = "cannot_listen"
	// CodeLedgerSchema: the tables of the ledger are missing, or are not those we know.
	CodeLedgerSchema Code = "ledger_schema"
	// CodeNoTransaction: the group's ledger has no transactions.
	CodeNoTransaction Code = "no_transaction"
	// CodeTransactionControl: the worker begins and ends the transaction, not the handler.
	CodeTransactionControl Code = "transaction_control"
	// CodeTransactionEnded: the transaction was used after its handler had ended.
	CodeTransactionEnded Code = "transaction_ended"
	// CodeTransactionFailed: a statement failed, and the handler returned all the same.
	CodeTransactionFailed Code = "transaction_failed"
	// CodeTransactionIdle: the handler left its transaction idle for longer than ack_wait.
	CodeTransactionIdle Code = "transaction_idle"
	// CodeNextTwice: a middleware ran the rest of the chain a second time.
	CodeNextTwice Code = "next_twice"
)

// Error is every error this package makes by itself.
type Error struct {
	Code    Code
	Message string
	// Err is the cause, nil where there is none.
	Err error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// HasCode reports whether err is, or wraps, an [Error] of the code.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// codeOf is the code of an error of ours.
func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Code)
	}
	return "internal"
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func unreachable(cause error, format string, args ...any) error {
	return &Error{Code: CodeUnreachable, Message: fmt.Sprintf(format, args...), Err: cause}
}

// PermanentError makes a message a dead letter at once. See [Permanent].
type PermanentError struct{ Message string }

func (e *PermanentError) Error() string { return e.Message }

// Permanent says that trying again will not help.
func Permanent(message string) error { return &PermanentError{Message: message} }

// RetryableError fails the attempt; the message comes back while it has attempts left.
type RetryableError struct {
	Message string
	// Delay replaces the group's backoff; nil leaves it.
	Delay *time.Duration
}

func (e *RetryableError) Error() string { return e.Message }

// Retryable fails the attempt. A delay, where given, is used as it is instead of the backoff.
func Retryable(message string, delay ...time.Duration) error {
	e := &RetryableError{Message: message}
	if len(delay) > 0 {
		e.Delay = &delay[0]
	}
	return e
}

// SnoozeError puts the message off without counting an attempt. See [Snooze].
type SnoozeError struct{ Delay time.Duration }

func (e *SnoozeError) Error() string { return "snoozed for " + e.Delay.String() }

// Snooze asks for the message again after the delay, at most the group's max_snooze_ms.
func Snooze(delay time.Duration) error { return &SnoozeError{Delay: delay} }

// errorClass names the kind of a handler's error in records and dead letters: the name of the first
// type that says something, else Error.
func errorClass(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		t := reflect.TypeOf(e)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if pkg := t.PkgPath(); pkg == "errors" || pkg == "fmt" || t.Name() == "" {
			continue
		}
		return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	}
	return "Error"
}
