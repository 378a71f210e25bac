package muster

// fifo is first in, first out. Taking from the head of a slice would keep what was taken alive, and
// moving the rest would be felt by a push group with thousands waiting.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) push(item T) { f.items = append(f.items, item) }

// peek is the oldest, left where it is; false: there is none.
func (f *fifo[T]) peek() (item T, ok bool) { //nolint:ireturn // Of items of any type.
	if f.len() == 0 {
		return item, false
	}
	return f.items[f.head], true
}

// shift takes the oldest; false: there is none.
func (f *fifo[T]) shift() (item T, ok bool) { //nolint:ireturn // Of items of any type.
	if item, ok = f.peek(); !ok {
		return item, false
	}
	var none T
	f.items[f.head] = none
	f.head++
	switch {
	case f.head == len(f.items):
		f.items, f.head = f.items[:0], 0
	case f.head > 1024 && f.head*2 > len(f.items):
		f.items = f.items[:copy(f.items, f.items[f.head:])]
		f.head = 0
	}
	return item, true
}

// takeAll empties it, oldest first.
func (f *fifo[T]) takeAll() []T {
	items := append([]T(nil), f.items[f.head:]...)
	f.items, f.head = nil, 0
	return items
}
