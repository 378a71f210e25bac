package muster

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// typed turns the verdict's value into a handler's type, so that handler and schema see the same:
// the body itself is not decoded a second time.
func typed[T any](handler Handler[T]) handlerFunc {
	return func(ctx context.Context, d *Delivery) (any, error) {
		value, err := valueAs[T](d.Value)
		if err != nil {
			return nil, err
		}
		return handler(ctx, value, d)
	}
}

func valueAs[T any](value any) (decoded T, err error) { //nolint:ireturn // The handler's type may be one.
	if same, ok := value.(T); ok {
		return same, nil
	}
	if assign := assignerOf(reflect.TypeFor[T]()); assign != nil {
		err = assign(value, reflect.ValueOf(&decoded).Elem())
	} else {
		var data []byte
		if data, err = encodeJSON(exactKeys(value, reflect.TypeFor[T]())); err == nil {
			err = json.Unmarshal(data, &decoded)
		}
	}
	if err != nil {
		err = fmt.Errorf("the contract's value is no %s: %w", reflect.TypeFor[T](), err)
	}
	return decoded, err
}

// exactKeys drops what a struct has no field for by its exact name: encoding/json would also fill
// `amount` from a key `Amount`.
func exactKeys(value any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		fields := map[string]reflect.Type{}
		if t.Kind() == reflect.Struct {
			collectFields(t, fields)
		}
		kept := make(map[string]any, len(v))
		for key, item := range v {
			if field, ok := fields[key]; ok {
				kept[key] = exactKeys(item, field)
			} else if t.Kind() == reflect.Map {
				kept[key] = exactKeys(item, t.Elem())
			}
		}
		if t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
			return value
		}
		return kept
	case []any:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return value
		}
		kept := make([]any, len(v))
		for i, item := range v {
			kept[i] = exactKeys(item, t.Elem())
		}
		return kept
	default:
		return value
	}
}

func collectFields(t reflect.Type, fields map[string]reflect.Type) {
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() || (field.Anonymous && name == ""):
		case name != "":
			fields[name] = field.Type
		default:
			fields[field.Name] = field.Type
		}
	}
}
