package muster

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxText = 1024
	noLimit = math.MaxInt
)

// headerText makes text safe for a header of any client: every UTF-16 unit outside 0x20–0x7E as
// \uXXXX, trimmed of spaces, cut to limit characters.
func headerText(s string, limit int) string {
	if isPlain(s) && len(s) <= limit {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c <= 0x7e {
			b.WriteByte(c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size <= 1 {
			size = illFormed(s[i:])
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
		i += size
	}
	text := strings.Trim(b.String(), " ")
	return text[:min(len(text), limit)]
}

// isPlain: the text is header text already, as most are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// illFormed is the length of the broken sequence s begins with. Like the decoders of the other
// languages, one replacement character stands for as much of it as could have begun a character.
func illFormed(s string) int {
	need, low, high := 0, byte(0x80), byte(0xbf)
	switch c := s[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
	case c >= 0xf0 && c <= 0xf4:
		need = 3
	}
	switch s[0] {
	case 0xe0:
		low = 0xa0
	case 0xed:
		high = 0x9f
	case 0xf0:
		low = 0x90
	case 0xf4:
		high = 0x8f
	}
	n := 1
	for n <= need && n < len(s) && s[n] >= low && s[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

var (
	hexRun   = regexp.MustCompile(`[0-9a-f-]+`)
	spaceRun = regexp.MustCompile(` +`)
)

// fingerprint is 16 hex characters that are the same for errors which differ only in numbers, ids
// and spacing.
func fingerprint(reason, text string) string {
	// All ASCII by now, so lower case is the ASCII one.
	normal := strings.ToLower(headerText(text, maxText))
	normal = hexRun.ReplaceAllStringFunc(normal, func(run string) string {
		if strings.ContainsAny(run, "0123456789") {
			return "#"
		}
		return run
	})
	normal = spaceRun.ReplaceAllString(normal, " ")
	return sha256Hex([]byte(reason + "\n" + normal))[:16]
}
