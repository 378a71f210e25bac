package muster

import (
	"encoding/json"
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
	t := reflect.TypeOf(known).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
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
	for name, value := range extra {
		all[name] = value
	}
	return encodeJSON(all)
}
