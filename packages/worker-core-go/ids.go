package muster

import "strconv"

// EventID is the business identity of a message; it survives redelivery, republish and replay. It
// is the header's text form: a dead letter carries its headers in that form, and the replay must
// be the same event.
func EventID(headers map[string]string, stream string, seq uint64, storeTime string) string {
	return eventIDOf(func(name string) string { return headers[name] }, stream, seq, storeTime)
}

func eventIDOf(header func(name string) string, stream string, seq uint64, storeTime string) string {
	if id := namedEventID(header); id != "" {
		return id
	}
	return stream + "." + strconv.FormatUint(seq, 10) + "." + storeTime
}

// namedEventID is the identity that the publisher gave the message, "" for none.
func namedEventID(header func(name string) string) string {
	if id := headerText(header("Muster-Event-Id"), noLimit); id != "" {
		return id
	}
	return headerText(header("Nats-Msg-Id"), noLimit)
}

// DeadLetterID is the id of a dead letter: with the group, because groups fail an event apart; with
// the store time, because a stream that was made again gives its sequences a second time.
func DeadLetterID(group, eventID string, seq uint64, storeTime string) string {
	hash := sha256Hex([]byte(eventID))[:24]
	return "dl." + group + "." + hash + "." + strconv.FormatUint(seq, 10) + "." + storeTime
}

// ReplayMsgID is the Nats-Msg-Id of a replay.
func ReplayMsgID(deadLetterID string) string { return "replay." + deadLetterID }
