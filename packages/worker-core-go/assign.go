package muster

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
)

// assigner writes a parsed value into a variable, as encoding/json would: by exact names of fields.
type assigner func(value any, to reflect.Value) error

var assigners sync.Map

// assignerOf is nil for types that are left to encoding/json; made once for each type.
func assignerOf(t reflect.Type) assigner {
	if known, ok := assigners.Load(t); ok {
		return known.(assigner) //nolint:forcetypeassert // Nothing else is stored.
	}
	// A type that holds itself is left to encoding/json, too.
	made := makeAssigner(t, map[reflect.Type]bool{})
	assigners.Store(t, made)
	return made
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func makeAssigner(t reflect.Type, within map[reflect.Type]bool) assigner {
	pointer := reflect.PointerTo(t)
	if pointer.Implements(unmarshaler) || pointer.Implements(textUnmarshaler) || t == reflect.TypeFor[json.Number]() || within[t] {
		return nil
	}
	within[t] = true
	defer delete(within, t)
	switch t.Kind() {
	case reflect.String:
		return assignString
	case reflect.Bool:
		return assignBool
	case reflect.Float64, reflect.Float32, reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8,
		reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		return assignNumber
	case reflect.Struct:
		return structAssigner(t, within)
	case reflect.Slice, reflect.Pointer:
		return innerAssigner(t, within)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return assignAny
		}
	default:
	}
	return nil
}

// innerAssigner is of slices and pointers; bytes are a text in JSON.
func innerAssigner(t reflect.Type, within map[reflect.Type]bool) assigner {
	inner := makeAssigner(t.Elem(), within)
	switch {
	case inner == nil || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return nil
	case t.Kind() == reflect.Slice:
		return sliceAssigner(inner)
	default:
		return pointerAssigner(inner)
	}
}

func misfit(value any, t reflect.Type) error { return fmt.Errorf("cannot write %T into %s", value, t) }

func assignAny(value any, to reflect.Value) error {
	if value == nil {
		to.SetZero()
	} else {
		to.Set(reflect.ValueOf(value))
	}
	return nil
}

func assignString(value any, to reflect.Value) error {
	switch v := value.(type) {
	case string:
		to.SetString(v)
	case nil:
	default:
		return misfit(value, to.Type())
	}
	return nil
}

func assignBool(value any, to reflect.Value) error {
	switch v := value.(type) {
	case bool:
		to.SetBool(v)
	case nil:
	default:
		return misfit(value, to.Type())
	}
	return nil
}

func assignNumber(value any, to reflect.Value) error {
	n, ok := value.(float64)
	if value == nil {
		return nil
	}
	isWhole := n == math.Trunc(n)
	switch {
	case !ok:
	case to.CanFloat():
		if !to.OverflowFloat(n) {
			to.SetFloat(n)
			return nil
		}
	case to.CanInt():
		if isWhole && n >= math.MinInt64 && n < math.MaxInt64 && !to.OverflowInt(int64(n)) {
			to.SetInt(int64(n))
			return nil
		}
	case to.CanUint():
		if isWhole && n >= 0 && n < math.MaxUint64 && !to.OverflowUint(uint64(n)) {
			to.SetUint(uint64(n))
			return nil
		}
	}
	return misfit(value, to.Type())
}

func sliceAssigner(inner assigner) assigner {
	return func(value any, to reflect.Value) error {
		if value == nil {
			to.SetZero()
			return nil
		}
		items, ok := value.([]any)
		if !ok {
			return misfit(value, to.Type())
		}
		to.Set(reflect.MakeSlice(to.Type(), len(items), len(items)))
		for i, item := range items {
			if err := inner(item, to.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func pointerAssigner(inner assigner) assigner {
	return func(value any, to reflect.Value) error {
		if value == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return inner(value, to.Elem())
	}
}

type assignedField struct {
	name   string
	index  int
	assign assigner
}

func structAssigner(t reflect.Type, within map[reflect.Type]bool) assigner {
	var fields []assignedField
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		inner := makeAssigner(field.Type, within)
		switch {
		case field.Anonymous || strings.Contains(options, "string"):
			return nil
		case name == "-" && options == "" || !field.IsExported():
			continue
		case inner == nil:
			return nil
		}
		fields = append(fields, assignedField{name: name, index: i, assign: inner})
	}
	return func(value any, to reflect.Value) error {
		if value == nil {
			return nil
		}
		object, ok := value.(map[string]any)
		if !ok {
			return misfit(value, to.Type())
		}
		for _, field := range fields {
			item, isThere := object[field.name]
			if !isThere {
				continue
			}
			if err := field.assign(item, to.Field(field.index)); err != nil {
				return fmt.Errorf("%s: %w", field.name, err)
			}
		}
		return nil
	}
}
