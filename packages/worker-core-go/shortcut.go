package muster

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// shortcut says yes to most values that a schema accepts, at a tenth of the cost. Where it says no,
// or there is none because the schema has a keyword that it does not know, the validator decides.
type shortcut func(value any) bool

// annotations decide nothing.
var annotations = []string{"$schema", "$comment", "$id", "title", "description", "default", "examples", "format"}

func shortcutOf(schema any) shortcut {
	object, isObject := schema.(map[string]any)
	if !isObject {
		return nil
	}
	var checks []shortcut
	for keyword, says := range object {
		if slices.Contains(annotations, keyword) || keyword == "properties" || keyword == "required" || keyword == "additionalProperties" {
			continue
		}
		check := keywordShortcut(keyword, says)
		if check == nil {
			return nil
		}
		checks = append(checks, check)
	}
	check, ok := objectShortcut(object)
	if !ok {
		return nil
	}
	if check != nil {
		checks = append(checks, check)
	}
	return func(value any) bool {
		for _, check := range checks {
			if !check(value) {
				return false
			}
		}
		return true
	}
}

// keywordShortcut says yes also to what the keyword is not about: that is the validator's to refuse.
func keywordShortcut(keyword string, says any) shortcut {
	switch keyword {
	case "type":
		return typeShortcut(says)
	case "enum":
		list, _ := says.([]any)
		return enumShortcut(list)
	case "const":
		return enumShortcut([]any{says})
	case "pattern":
		text, _ := says.(string)
		pattern, err := newPattern(text)
		if err != nil {
			return nil
		}
		return func(value any) bool { s, ok := value.(string); return !ok || pattern.matches(s) }
	case "items":
		check := shortcutOf(says)
		if check == nil {
			return nil
		}
		return func(value any) bool {
			items, ok := value.([]any)
			return !ok || !slices.ContainsFunc(items, func(item any) bool { return !check(item) })
		}
	default:
		return limitShortcut(keyword, says)
	}
}

func typeShortcut(says any) shortcut {
	switch says {
	case "object":
		return func(value any) bool { _, ok := value.(map[string]any); return ok }
	case "array":
		return func(value any) bool { _, ok := value.([]any); return ok }
	case "string":
		return func(value any) bool { _, ok := value.(string); return ok }
	case "number":
		return func(value any) bool { _, ok := value.(float64); return ok }
	case "integer":
		return func(value any) bool { n, ok := value.(float64); return ok && n == math.Trunc(n) }
	case "boolean":
		return func(value any) bool { _, ok := value.(bool); return ok }
	default:
		return nil
	}
}

// enumShortcut is about texts alone: what numbers are equal is the validator's to say.
func enumShortcut(list []any) shortcut {
	texts, ok := textsOf(list)
	if !ok {
		return nil
	}
	return func(value any) bool { s, ok := value.(string); return ok && slices.Contains(texts, s) }
}

// limitShortcut compares with whole numbers alone, for others are not what they look like as doubles.
func limitShortcut(keyword string, says any) shortcut {
	limit, ok := wholeNumber(says)
	if !ok {
		return nil
	}
	number := func(is func(n float64) bool) shortcut {
		return func(value any) bool { n, ok := value.(float64); return !ok || is(n) }
	}
	text := func(is func(length float64) bool) shortcut {
		return func(value any) bool { s, ok := value.(string); return !ok || is(float64(utf8.RuneCountInString(s))) }
	}
	array := func(is func(length float64) bool) shortcut {
		return func(value any) bool { items, ok := value.([]any); return !ok || is(float64(len(items))) }
	}
	atLeast := func(n float64) bool { return n >= limit }
	atMost := func(n float64) bool { return n <= limit }
	switch keyword {
	case "minimum":
		return number(atLeast)
	case "maximum":
		return number(atMost)
	case "exclusiveMinimum":
		return number(func(n float64) bool { return n > limit })
	case "exclusiveMaximum":
		return number(func(n float64) bool { return n < limit })
	case "minLength":
		return text(atLeast)
	case "maxLength":
		return text(atMost)
	case "minItems":
		return array(atLeast)
	case "maxItems":
		return array(atMost)
	default:
		return nil
	}
}

// objectShortcut is the keywords of objects, which go together; nil where the schema has none, false
// where they cannot be judged.
func objectShortcut(schema map[string]any) (check shortcut, ok bool) {
	properties, ok := propertyShortcuts(schema)
	if !ok {
		return nil, false
	}
	mayHaveMore, isTold := schema["additionalProperties"].(bool)
	if _, has := schema["additionalProperties"]; has != isTold {
		return nil, false
	}
	mayHaveMore = mayHaveMore || !isTold
	return func(value any) bool {
		object, ok := value.(map[string]any)
		if !ok {
			return true
		}
		named := 0
		for i := range properties {
			p := &properties[i]
			item, has := object[p.name]
			switch {
			case has && p.check != nil && !p.check(item), !has && p.isRequired:
				return false
			case has:
				named++
			}
		}
		return mayHaveMore || named == len(object)
	}, true
}

// propertyShortcut is what a schema says of one name; check is nil where it says only that it is required.
type propertyShortcut struct {
	name       string
	isRequired bool
	check      shortcut
}

// propertyShortcuts are those of `properties` and `required`, by name.
func propertyShortcuts(schema map[string]any) ([]propertyShortcut, bool) {
	named, isThere := schema["properties"].(map[string]any)
	required, ok := textsOf(schema["required"])
	if _, has := schema["properties"]; has != isThere || !ok {
		return nil, false
	}
	byName := map[string]propertyShortcut{}
	for name, says := range named {
		check := shortcutOf(says)
		if check == nil {
			return nil, false
		}
		byName[name] = propertyShortcut{name: name, check: check}
	}
	// A name that must be there and may not is the validator's to judge.
	isClosed := schema["additionalProperties"] == false
	for _, name := range required {
		p, isNamed := byName[name]
		if !isNamed && isClosed {
			return nil, false
		}
		p.name, p.isRequired = name, true
		byName[name] = p
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b propertyShortcut) int { return strings.Compare(a.name, b.name) }), true
}

const mostWhole = 1 << 53

func wholeNumber(says any) (float64, bool) {
	n, ok := says.(float64)
	return n, ok && n == math.Trunc(n) && math.Abs(n) < mostWhole
}

func textsOf(says any) ([]string, bool) {
	list, isList := says.([]any)
	texts := make([]string, len(list))
	for i, one := range list {
		text, ok := one.(string)
		if !ok {
			return nil, false
		}
		texts[i] = text
	}
	return texts, isList || says == nil
}
