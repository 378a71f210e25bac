package muster

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// verdict judges bodies by one contract. Formats are annotations; nothing is loaded from elsewhere.
type verdict struct {
	contract string
	schema   *jsonschema.Schema
	// shortcut is nil where there is none.
	shortcut shortcut
}

// newVerdict compiles a contract. The error is of [CodeBadSchema].
func newVerdict(contract string, schema []byte) (*verdict, error) {
	bad := func(err error) error {
		return &Error{Code: CodeBadSchema, Message: "contract " + contract + " is no JSON Schema 2020-12", Err: err}
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, bad(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	location := "muster:///" + contract
	if err := compiler.AddResource(location, doc); err != nil {
		return nil, bad(err)
	}
	compiled, err := compiler.Compile(location)
	if err != nil {
		return nil, bad(err)
	}
	v := &verdict{contract: contract, schema: compiled}
	if plain, code := parseBody(schema); code == "" {
		v.shortcut = shortcutOf(plain)
	}
	return v, nil
}

// judge gives the body's value, or the code and the error of the first rule it breaks.
func (v *verdict) judge(body []byte) (value any, code, text string) {
	value, code = parseBody(body)
	if code != "" {
		return nil, code, bodyErrors[code]
	}
	if v.shortcut != nil && v.shortcut(value) {
		return value, "", ""
	}
	err := v.schema.Validate(value)
	if err == nil {
		return value, "", ""
	}
	pointer := "/"
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		if p := smallestLeaf(invalid); p != "" {
			pointer = p
		}
	}
	return nil, "schema", fmt.Sprintf("does not match %s at %s", v.contract, pointer)
}

// smallestLeaf compares bytes, which for UTF-8 is the order of code points.
func smallestLeaf(e *jsonschema.ValidationError) string {
	if len(e.Causes) == 0 {
		return pointerOf(e.InstanceLocation)
	}
	smallest := smallestLeaf(e.Causes[0])
	for _, cause := range e.Causes[1:] {
		smallest = min(smallest, smallestLeaf(cause))
	}
	return smallest
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func pointerOf(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(token))
	}
	return b.String()
}

type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, errors.New("contracts load nothing: " + url)
}
