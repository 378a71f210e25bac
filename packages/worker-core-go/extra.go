package muster

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
)

// extraFields are the fields of a document that this version does not know. They are kept, for a
// newer one may have written them.
type extraFields map[string]json.RawMessage

// decodeWithExtra decodes data into the struct that known points to and gives the rest.
func decodeWithExtra(data []byte, known any) (extraFields, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, err
	}
	var extra extraFields
	if err := json.Unmarshal(data, &extra); err != nil {
		return nil, err
	}
	for field := range reflect.TypeOf(known).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(extra, name)
	}
	return extra, nil
}

func encodeWithExtra(known any, extra extraFields) ([]byte, error) {
	data, err := encodeJSON(known)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	all := extraFields{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	maps.Copy(all, extra)
	return encodeJSON(all)
}
