package muster

import (
	"context"
	"strconv"

	"github.com/nats-io/nats.go"
)

// kvEntry is what a bucket has under a key. Revision 0: nothing, not even a marker.
type kvEntry struct {
	value    []byte
	revision uint64
	// exists is false for an absent key and for a deleted one, whose marker has a revision.
	exists bool
}

// kvGet asks any replica for the key.
func (w *wire) kvGet(ctx context.Context, bucket, key string) (kvEntry, error) {
	answer, err := w.request(ctx, w.prefix+".DIRECT.GET.KV_"+bucket+".$KV."+bucket+"."+key, nil, nil)
	if err != nil {
		return kvEntry{}, err
	}
	header := Header(answer.Header)
	revision, ok := parseDigits(header.Get("Nats-Sequence"))
	switch {
	case ok && revision > 0:
		operation := header.Get("KV-Operation")
		deleted := operation == "DEL" || operation == "PURGE" || header.Get("Nats-Marker-Reason") != ""
		if deleted {
			return kvEntry{revision: revision}, nil
		}
		return kvEntry{value: answer.Data, revision: revision, exists: true}, nil
	case header.Get("Status") == "404":
		return kvEntry{}, nil
	default:
		return kvEntry{}, unreachable(nil, "%s.%s: status %q %s", bucket, key, header.Get("Status"), header.Get("Description"))
	}
}

// kvPut writes over the revision; 0: the key must not exist. [CodeConflict]: it is another one.
func (w *wire) kvPut(ctx context.Context, bucket, key string, value []byte, revision uint64) (uint64, error) {
	ack, err := w.stored(ctx, "$KV."+bucket+"."+key, expect(revision), value)
	return ack.Seq, err
}

// kvCreate writes a key that does not exist, or whose value was deleted.
func (w *wire) kvCreate(ctx context.Context, bucket, key string, value []byte) (uint64, error) {
	revision, err := w.kvPut(ctx, bucket, key, value, 0)
	if !HasCode(err, CodeConflict) {
		return revision, err
	}
	entry, getErr := w.kvGet(ctx, bucket, key)
	if getErr != nil {
		return 0, getErr
	}
	if entry.exists {
		return 0, err
	}
	return w.kvPut(ctx, bucket, key, value, entry.revision)
}

// kvDelete puts a marker over the revision.
func (w *wire) kvDelete(ctx context.Context, bucket, key string, revision uint64) error {
	headers := expect(revision)
	headers["KV-Operation"] = "DEL"
	_, err := w.stored(ctx, "$KV."+bucket+"."+key, headers, nil)
	return err
}

func expect(revision uint64) map[string]string {
	return map[string]string{nats.ExpectedLastSubjSeqHdr: strconv.FormatUint(revision, 10)}
}
