package muster

import (
	"bytes"
	"encoding/json"
)

// encodeJSON is compact JSON as the other languages write it: <, > and & stay as they are.
func encodeJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// mustJSON is for our own documents, which always encode.
func mustJSON(value any) []byte {
	data, err := encodeJSON(value)
	if err != nil {
		panic(err)
	}
	return data
}
