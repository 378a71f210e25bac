package muster

import "strings"

// ReplaySubject is where a dead letter goes to be worked on again by the group that failed it.
func ReplaySubject(stream, group, original string) string {
	return "muster.replay." + stream + "." + group + "." + original
}

// StripReplayPrefix gives the subject as its publisher knew it.
func StripReplayPrefix(stream, group, subject string) string {
	if !strings.HasPrefix(subject, "muster.replay.") {
		return subject
	}
	return strings.TrimPrefix(subject, ReplaySubject(stream, group, ""))
}

// DLQSubject is where a dead letter is published.
func DLQSubject(stream, group, reason string) string {
	return "muster.dlq." + stream + "." + group + "." + reason
}

// ArchiveSubject is where a discarded dead letter is kept.
func ArchiveSubject(stream, group, reason string) string {
	return "muster.archive." + stream + "." + group + "." + reason
}

// MemberSubject is where a member listens for a command such as drain.
func MemberSubject(stream, group, member, command string) string {
	return "muster.member." + stream + "." + group + "." + member + "." + command
}

// PushSubject is where the server pushes a group's messages to; fixed, so that nothing has to be told.
func PushSubject(stream, group string) string { return "muster.push." + stream + "." + group }
