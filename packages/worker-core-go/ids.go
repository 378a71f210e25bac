package muster

import "strconv"

// EventID is the business identity of a message; it survives redelivery, republish and replay. It
// is the header's text form: a dead letter carries its headers in that form, and the replay must
// be the same event.
func EventID(headers map[string]string, stream string, seq uint64, storeTime string) string {
	for _, name := range []string{"Muster-Event-Id", "Nats-Msg-Id"} {
		if id := headerText(headers[name], noLimit); id != "" {
			return id
		}
	}
	return stream + "." + strconv.FormatUint(seq, 10) + "." + storeTime
}

// DeadLetterID is the id of a dead letter: with the group, because groups fail an event apart; with
// the store time, because a stream that was made again gives its sequences a second time.
func DeadLetterID(group, eventID string, seq uint64, storeTime string) string {
	hash := sha256Hex([]byte(eventID))[:24]
	return "dl." + group + "." + hash + "." + strconv.FormatUint(seq, 10) + "." + storeTime
}

// ReplayMsgID is the Nats-Msg-Id of a replay.
func ReplayMsgID(deadLetterID string) string { return "replay." + deadLetterID }
