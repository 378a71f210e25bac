package muster

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
)

const (
	// mostStates bounds what a pattern may take: beyond them the regular expression decides.
	mostStates = 2048
	mostASCII  = 0x80
)

// pattern matches texts of ASCII by a table that is made as it is needed: the package regexp walks
// all ways through a pattern such as {0,510} at every character. All else is regexp's.
type pattern struct {
	whole *regexp.Regexp
	prog  *syntax.Prog

	mu sync.RWMutex
	// states are the sets of instructions, in the order of their numbers; next has, for each state and
	// character, the number of the state that follows plus one, 0 where it is not known yet.
	states  [][]uint32
	numbers map[string]int32
	next    [][mostASCII]int32
	accepts []bool
	// isGivenUp: the pattern has what the table does not know, or too many states.
	isGivenUp bool
}

func newPattern(text string) (*pattern, error) {
	whole, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{whole: whole, prog: progOf(text), numbers: map[string]int32{}}
	// Only patterns that begin at the beginning, and have no other condition but the end.
	if p.prog == nil || p.prog.StartCond() != syntax.EmptyBeginText || p.hasOtherConditions() {
		p.isGivenUp = true
		return p, nil
	}
	p.add(p.follow([]uint32{uint32(p.prog.Start)}, syntax.EmptyBeginText))
	return p, nil
}

// progOf is nil where the pattern makes no program.
func progOf(text string) *syntax.Prog {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil
	}
	return prog
}

func (p *pattern) matches(text string) bool {
	p.mu.RLock()
	state := int32(0)
	for at := range len(text) {
		if text[at] >= mostASCII || p.isGivenUp || p.next[state][text[at]] == 0 {
			p.mu.RUnlock()
			return p.learn(text)
		}
		state = p.next[state][text[at]] - 1
	}
	defer p.mu.RUnlock()
	if p.isGivenUp {
		return p.whole.MatchString(text)
	}
	return p.accepts[state]
}

// learn makes the states that the text needs, for the next time.
func (p *pattern) learn(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := int32(0)
	for at := 0; at < len(text) && text[at] < mostASCII && !p.isGivenUp; at++ {
		c := text[at]
		if p.next[state][c] == 0 {
			p.next[state][c] = p.add(p.step(p.states[state], rune(c))) + 1
		}
		state = p.next[state][c] - 1
		p.isGivenUp = len(p.states) > mostStates
	}
	return p.whole.MatchString(text)
}

func (p *pattern) hasOtherConditions() bool {
	return slices.ContainsFunc(p.prog.Inst, func(one syntax.Inst) bool {
		only := syntax.EmptyBeginText | syntax.EmptyEndText
		return one.Op == syntax.InstEmptyWidth && syntax.EmptyOp(one.Arg)&^only != 0
	})
}

// add gives the number of a set of instructions.
func (p *pattern) add(set []uint32) int32 {
	key := make([]byte, 0, 4*len(set))
	for _, pc := range set {
		key = append(key, byte(pc), byte(pc>>8), byte(pc>>16), byte(pc>>24))
	}
	if number, ok := p.numbers[string(key)]; ok {
		return number
	}
	number := int32(len(p.states))
	p.numbers[string(key)] = number
	p.states = append(p.states, set)
	p.next = append(p.next, [mostASCII]int32{})
	atEnd := p.follow(set, syntax.EmptyEndText)
	p.accepts = append(p.accepts, slices.ContainsFunc(atEnd, func(pc uint32) bool { return p.prog.Inst[pc].Op == syntax.InstMatch }))
	return number
}

// step is where a character leads to. A match that needs no end stays one.
func (p *pattern) step(set []uint32, c rune) []uint32 {
	var next []uint32
	for _, pc := range set {
		switch one := &p.prog.Inst[pc]; one.Op {
		case syntax.InstMatch:
			next = append(next, pc)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if one.MatchRune(c) {
				next = append(next, one.Out)
			}
		default:
		}
	}
	return p.follow(next, 0)
}

// follow is all that can be reached without a character, where the condition holds; conditions that
// do not hold yet are kept.
func (p *pattern) follow(from []uint32, holds syntax.EmptyOp) []uint32 {
	seen := map[uint32]bool{}
	var set []uint32
	var visit func(pc uint32)
	visit = func(pc uint32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		switch one := &p.prog.Inst[pc]; one.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			visit(one.Out)
			visit(one.Arg)
		case syntax.InstCapture, syntax.InstNop:
			visit(one.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(one.Arg)&^holds == 0 {
				visit(one.Out)
			} else {
				set = append(set, pc)
			}
		case syntax.InstFail:
		default:
			set = append(set, pc)
		}
	}
	for _, pc := range from {
		visit(pc)
	}
	slices.Sort(set)
	return set
}
