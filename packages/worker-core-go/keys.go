package muster

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// The buckets a member uses; the stream behind one is KV_<bucket>.
const (
	groupsBucket    = "MUSTER_GROUPS"
	contractsBucket = "MUSTER_CONTRACTS"
	membersBucket   = "MUSTER_MEMBERS"
	attemptsBucket  = "MUSTER_ATTEMPTS"
	ledgerBucket    = "MUSTER_LEDGER"
)

// GroupKey is the key of a group's spec.
func GroupKey(stream, group string) string { return stream + "." + group }

// MemberKey is the key of a member's record.
func MemberKey(stream, group, member string) string { return stream + "." + group + "." + member }

// AttemptsKey is the key of a message's attempts record.
func AttemptsKey(stream, group string, seq uint64) string {
	return stream + "." + group + "." + strconv.FormatUint(seq, 10)
}

// LedgerKey is the key of an event's row; hashed, because keys refuse what event ids may hold.
func LedgerKey(stream, group, eventID string) string {
	return stream + "." + group + "." + sha256Hex([]byte(eventID))
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
