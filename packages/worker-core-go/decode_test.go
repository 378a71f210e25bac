package muster

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestAHandlersValueIsThatOfTheVerdict(t *testing.T) {
	t.Parallel()
	type line struct {
		SKU string `json:"sku"`
	}
	type value struct {
		Amount float64          `json:"amount"`
		Lines  []*line          `json:"lines"`
		Free   map[string]*line `json:"free"`
		Plain  string
	}
	body := `{"amount":1,"AMOUNT":2,"amount":3,"lines":[{"sku":"a","SKU":"b"}],"free":{"Sku":{"Sku":"c"}},"plain":"d","Plain":"e"}`
	parsed, code := parseBody([]byte(body))
	equal(t, code, "")
	handler := typed(func(_ context.Context, v value, _ *Delivery) (any, error) { return v, nil })
	got, err := handler(t.Context(), &Delivery{Value: parsed})
	must(t, err)
	v := got.(value)
	equal(t, []any{v.Amount, v.Lines[0].SKU, v.Free["Sku"].SKU, v.Plain}, []any{3.0, "a", "", "e"})
}

func TestAHandlersTypeThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	handler := typed(func(_ context.Context, v int, _ *Delivery) (any, error) { return v, nil })
	if _, err := handler(t.Context(), &Delivery{Value: 1.5}); err == nil {
		t.Error("1.5 became an int")
	}
}

func TestBothWaysToAHandlersTypeAgree(t *testing.T) {
	t.Parallel()
	type inner struct {
		A int8    `json:"a"`
		B []bool  `json:"b"`
		C *inner2 `json:"C"` //nolint:tagliatelle // The name is the test.
	}
	type outer struct {
		S    string   `json:"S"` //nolint:tagliatelle // The name is the test.
		N    float64  `json:"n"`
		U    uint16   `json:"u"`
		F    float32  `json:"f"`
		In   inner    `json:"in"`
		P    *inner   `json:"p"`
		Any  any      `json:"any"`
		Skip string   `json:"-"`
		L    []string `json:"l"`
	}
	assign := assignerOf(reflect.TypeFor[outer]())
	for _, body := range []string{
		`{"S":"s","n":1.5,"u":65535,"f":0.25,"in":{"a":-128,"b":[true,false],"C":{"x":"y"}},"p":{"a":1},"any":[1,null],"-":"no","l":["a"]}`,
		`{"S":null,"n":null,"in":null,"p":null,"any":null,"l":null}`, `{"s":"lower","N":1}`, `null`, `{"l":[]}`,
		`{"u":65536}`, `{"u":-1}`, `{"u":1.5}`, `{"in":{"a":128}}`, `{"S":1}`, `{"l":{}}`, `{"n":"1"}`, `{"f":1e300}`, `[]`, `{"in":[]}`,
	} {
		parsed, code := parseBody([]byte(body))
		equal(t, code, "")
		var byAssigner, byJSON outer
		assignErr := assign(parsed, reflect.ValueOf(&byAssigner).Elem())
		jsonErr := json.Unmarshal(mustJSON(exactKeys(parsed, reflect.TypeFor[outer]())), &byJSON)
		if (assignErr == nil) != (jsonErr == nil) {
			t.Errorf("%s: %v, but %v", body, assignErr, jsonErr)
		}
		if jsonErr == nil {
			equal(t, byAssigner, byJSON)
		}
	}
	for _, t2 := range []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[[]byte](), reflect.TypeFor[map[string]int](), reflect.TypeFor[selfish]()} {
		if assignerOf(t2) != nil {
			t.Errorf("%s is not left to encoding/json", t2)
		}
	}
}

type inner2 struct {
	X string `json:"x"`
}

type selfish struct{ Next *selfish }

func FuzzOnePassReadsWhatTheRulesAllow(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0,1e5,0.1,"\u00e9\ud83d\ude00\n",true,false,null]}`, `01`, `"\ud800"`, `"\u+123"`, `[1,]`, ` {"a" : 1 } `, `1e400`, `"\x"`, "\"\x01\"", `[[[`, `-`, `1.`, `.5`, `1e`, `nul`, `""`, "\xef\xbb\xbf1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		value, ok := parseWhole(body)
		wanted, code := byTheRules(body)
		if ok != (code == "") || ok && !reflect.DeepEqual(value, wanted) {
			t.Errorf("%q: %v %v, but %q %v", body, ok, value, code, wanted)
		}
	})
}

func TestTheShortcutSaysYesOnlyWhereTheValidatorDoes(t *testing.T) {
	t.Parallel()
	schema := `{"type":"object","properties":{
		"t":{"type":"string","minLength":2,"maxLength":3,"pattern":"^[a-zü]+$"},
		"n":{"type":"number","minimum":-1,"exclusiveMaximum":10},
		"i":{"type":"integer","exclusiveMinimum":0,"maximum":9},
		"b":{"type":"boolean"}, "c":{"const":"x"}, "e":{"enum":["a","b"]}, "any":{},
		"l":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2}
	},"required":["t"],"additionalProperties":false}`
	v, err := newVerdict("x", []byte(schema))
	must(t, err)
	for body, isValid := range map[string]bool{
		`{"t":"ab","n":-1,"i":9,"b":true,"c":"x","e":"b","any":[{}],"l":["a","b"]}`: true, `{"t":"üü"}`: true, `{}`: false, `[]`: false,
		`{"t":"a"}`: false, `{"t":"abcd"}`: false, `{"t":"AB"}`: false, `{"t":1}`: false, `{"t":"ab","n":10}`: false, `{"t":"ab","n":-1.5}`: false,
		`{"t":"ab","i":0}`: false, `{"t":"ab","i":1.5}`: false, `{"t":"ab","i":1e0}`: true, `{"t":"ab","b":null}`: false, `{"t":"ab","c":"y"}`: false,
		`{"t":"ab","e":"c"}`: false, `{"t":"ab","e":1}`: false, `{"t":"ab","l":[]}`: false, `{"t":"ab","l":[1]}`: false, `{"t":"ab","more":1}`: false,
	} {
		value, code := parseBody([]byte(body))
		equal(t, code, "")
		equal(t, []any{body, v.shortcut(value), v.schema.Validate(value) == nil}, []any{body, isValid, isValid})
	}
	for _, other := range []string{`true`, `{"not":{}}`, `{"type":["string","null"]}`, `{"properties":{"a":{"$ref":"#"}}}`, `{"minimum":0.1}`, `{"enum":[1]}`, `{"additionalProperties":{"type":"string"}}`} {
		v, err := newVerdict("x", []byte(other))
		must(t, err)
		if v.shortcut != nil {
			t.Errorf("%s has one", other)
		}
	}
}

func FuzzAPatternMatchesAsTheRegularExpressionDoes(f *testing.F) {
	for _, seed := range [][2]string{
		{"^[!-~]([ -~]{0,510}[!-~])?$", "o-1 x"}, {"^a", "ab"}, {"a$", "ba"}, {"^(a|b)*$", "abab"}, {"^\\bx", "x"}, {"^$", ""}, {"", "x"},
		{"^a(b$|c)", "acd"}, {"^[^x]+$", "\n"}, {"(?i)^ab$", "AB"}, {"(?m)^a$", "b\na"}, {"^é*$", "éé"}, {"^.$", "\n"}, {"^a|b$", "xb"}, {"^a^b", "ab"}, {"^a$b", "ab"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		p, err := newPattern(text)
		if err != nil {
			return
		}
		for range 2 {
			if p.matches(s) != p.whole.MatchString(s) {
				t.Fatalf("%q %q: the table says %v", text, s, p.matches(s))
			}
		}
	})
}
