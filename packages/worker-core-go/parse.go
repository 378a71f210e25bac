package muster

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// parser reads a body that keeps all rules in one pass, which is nearly every one. Where it fails,
// the rules are looked at one by one to say which was broken first.
type parser struct {
	text string
	at   int
}

// parseWhole is false where a rule is broken.
func parseWhole(body []byte) (any, bool) {
	if !utf8.Valid(body) {
		return nil, false
	}
	p := parser{text: string(body)}
	p.space()
	value, ok := p.value(0)
	p.space()
	return value, ok && p.at == len(p.text)
}

func (p *parser) value(depth int) (any, bool) {
	switch p.peek() {
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(depth + 1)
	case '"':
		return p.string()
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	default:
		return p.number()
	}
}

func (p *parser) object(depth int) (any, bool) {
	object := map[string]any{}
	p.at++
	if p.space(); p.take('}') {
		return object, depth <= maxDepth
	}
	for depth <= maxDepth {
		if p.peek() != '"' {
			return nil, false
		}
		key, ok := p.string()
		if !ok {
			return nil, false
		}
		if p.space(); !p.take(':') {
			return nil, false
		}
		p.space()
		if object[key], ok = p.value(depth); !ok {
			return nil, false
		}
		if p.space(); p.take('}') {
			return object, true
		}
		if !p.take(',') {
			return nil, false
		}
		p.space()
	}
	return nil, false
}

func (p *parser) array(depth int) (any, bool) {
	array := []any{}
	p.at++
	if p.space(); p.take(']') {
		return array, depth <= maxDepth
	}
	for depth <= maxDepth {
		item, ok := p.value(depth)
		if !ok {
			return nil, false
		}
		array = append(array, item)
		if p.space(); p.take(']') {
			return array, true
		}
		if !p.take(',') {
			return nil, false
		}
		p.space()
	}
	return nil, false
}

// string is a part of the text where nothing is escaped.
func (p *parser) string() (string, bool) {
	from := p.at + 1
	for at := from; at < len(p.text); at++ {
		switch c := p.text[at]; {
		case c == '"':
			p.at = at + 1
			return p.text[from:at], true
		case c == '\\':
			return p.escaped(from, at)
		case c < 0x20:
			return "", false
		}
	}
	return "", false
}

func (p *parser) escaped(from, at int) (string, bool) {
	unescaped := append(make([]byte, 0, 2*(at-from)+16), p.text[from:at]...)
	for at < len(p.text) {
		c := p.text[at]
		switch {
		case c == '"':
			p.at = at + 1
			return string(unescaped), true
		case c < 0x20:
			return "", false
		case c != '\\':
			unescaped = append(unescaped, c)
			at++
			continue
		}
		r, length := escape(p.text[at:])
		if length == 0 {
			return "", false
		}
		unescaped = utf8.AppendRune(unescaped, r)
		at += length
	}
	return "", false
}

var shortEscapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape is the character that text begins with an escape of, and the length of that; 0 for none, or
// a lone surrogate.
func escape(text string) (r rune, length int) {
	if len(text) < len(`\n`) {
		return 0, 0
	}
	if text[1] != 'u' {
		if r, ok := shortEscapes[text[1]]; ok {
			return r, len(`\n`)
		}
		return 0, 0
	}
	first, ok := unit(text)
	if !ok || !utf16.IsSurrogate(first) {
		return first, lengthIf(ok, len(`\u0000`))
	}
	second, ok := unit(text[len(`\u0000`):])
	r = utf16.DecodeRune(first, second)
	return r, lengthIf(ok && r != utf8.RuneError, 2*len(`\u0000`))
}

func unit(text string) (rune, bool) {
	if len(text) < len(`\u0000`) || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}

func lengthIf(is bool, length int) int {
	if is {
		return length
	}
	return 0
}

func (p *parser) number() (any, bool) {
	from := p.at
	p.take('-')
	isZero := p.take('0')
	if !isZero && !p.digits() {
		return nil, false
	}
	if p.take('.') && !p.digits() {
		return nil, false
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return nil, false
		}
	}
	n, err := strconv.ParseFloat(p.text[from:p.at], 64)
	return n, err == nil && !math.IsInf(n, 0)
}

func (p *parser) digits() bool {
	from := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}

func (p *parser) word(word string) bool {
	end := p.at + len(word)
	if end > len(p.text) || p.text[p.at:end] != word {
		return false
	}
	p.at = end
	return true
}

// peek is 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() != c || p.at == len(p.text) {
		return false
	}
	p.at++
	return true
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}
