package muster

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxResultBytes bounds a handler's result as compact UTF-8 JSON.
const maxResultBytes = 8192

var noResult = json.RawMessage("null")

// encodeResult is the result as compact JSON. The error is what the dead letter says.
func encodeResult(result any) (json.RawMessage, error) {
	if result == nil {
		return noResult, nil
	}
	data, err := encodeJSON(result)
	switch {
	case err != nil:
		return nil, errors.New("result is not JSON")
	case len(data) > maxResultBytes:
		return nil, fmt.Errorf("result of %d bytes is over %d", len(data), maxResultBytes)
	default:
		return data, nil
	}
}
