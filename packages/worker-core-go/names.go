package muster

import (
	"fmt"
	"regexp"
)

const namePattern = "^[A-Za-z0-9_-]{1,60}$"

var nameRe = regexp.MustCompile(namePattern)

var subjectRe = regexp.MustCompile(`^[!-)+,/-=?-~-]+([.][!-)+,/-=?-~-]+)*$`)

// IsName reports whether s may name a stream, a group or a member: one token that is safe in
// subjects, keys and consumer names.
func IsName(s string) bool { return nameRe.MatchString(s) }

// IsStream reports whether s may name a stream: core stands for core NATS queue groups.
func IsStream(s string) bool { return IsName(s) && s != "core" }

// IsSubject reports whether one can publish to s: printable tokens without wildcards.
func IsSubject(s string) bool { return subjectRe.MatchString(s) }

// CheckName gives an error of [CodeBadName] that says what the name is of.
func CheckName(what, s string) error {
	if IsName(s) {
		return nil
	}
	return &Error{Code: CodeBadName, Message: fmt.Sprintf("%s %q does not match %s", what, s, namePattern)}
}
