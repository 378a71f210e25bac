package muster

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep brackets outside strings may nest.
const maxDepth = 64

var bodyErrors = map[string]string{
	"empty":     "empty payload",
	"bom":       "byte order mark",
	"utf8":      "not UTF-8",
	"depth":     "nested deeper than 64",
	"json":      "not JSON",
	"number":    "number beyond a double",
	"surrogate": "lone surrogate",
}

// parseBody reads a message body by the protocol's rules, which are stricter than encoding/json:
// that one replaces what is not UTF-8 and lone surrogates without a word. The code is that of the
// first rule broken, "" for none.
func parseBody(body []byte) (value any, code string) {
	if value, ok := parseWhole(body); ok {
		return value, ""
	}
	return byTheRules(body)
}

// byTheRules looks at one rule after the other.
func byTheRules(body []byte) (value any, code string) {
	switch {
	case len(body) == 0:
		return nil, "empty"
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return nil, "bom"
	case !utf8.Valid(body):
		return nil, "utf8"
	case isTooDeep(body):
		return nil, "depth"
	case !json.Valid(body):
		return nil, "json"
	}
	if code = scanTokens(body); code != "" {
		return nil, code
	}
	if json.Unmarshal(body, &value) != nil {
		return nil, "json"
	}
	return value, ""
}

func isTooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// scanTokens walks valid JSON. The parsed value cannot tell: a key given twice hides its first
// value. A number is told before a surrogate wherever they stand.
func scanTokens(body []byte) string {
	code := ""
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			end := endOfString(body, i)
			if hasLoneSurrogate(body[i+1 : end]) {
				code = "surrogate"
			}
			i = end
		case c == '-' || c >= '0' && c <= '9':
			from := i
			for i+1 < len(body) && strings.IndexByte("0123456789+-.eE", body[i+1]) >= 0 {
				i++
			}
			if n, _ := strconv.ParseFloat(string(body[from:i+1]), 64); math.IsInf(n, 0) {
				return "number"
			}
		}
	}
	return code
}

func endOfString(body []byte, open int) int {
	i := open + 1
	for body[i] != '"' {
		if body[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// hasLoneSurrogate looks at the escapes only: as raw bytes a surrogate is no UTF-8.
func hasLoneSurrogate(s []byte) bool {
	high := false
	for i := 0; i < len(s); {
		unit, size := rune(0), 1
		if s[i] == '\\' {
			size = 2
			if s[i+1] == 'u' {
				n, _ := strconv.ParseUint(string(s[i+2:i+6]), 16, 32)
				unit, size = rune(n), 6
			}
		}
		isLow := unit >= 0xdc00 && unit <= 0xdfff
		if high != isLow {
			return true
		}
		high = unit >= 0xd800 && unit <= 0xdbff
		i += size
	}
	return high
}
