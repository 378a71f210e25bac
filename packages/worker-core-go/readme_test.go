package muster

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestTheReadmeShowsTheExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("example_test.go")
	must(t, err)
	readme, err := os.ReadFile("README.md")
	must(t, err)
	_, code, _ := strings.Cut(string(example), "func Example() {\n")
	code = strings.TrimSuffix(code, "}\n")
	for line := range strings.Lines(code) {
		if line = strings.TrimPrefix(line, "\t"); !strings.Contains(string(readme), line) {
			t.Errorf("the README lacks %q", line)
		}
	}
}

// The README's handler, on a real server.
func TestTheTenLineHandlerWorks(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	type Order struct {
		ID     string  `json:"id"`
		Amount float64 `json:"amount"`
	}
	w := New(g.config("m"), func(_ context.Context, order Order, _ *Delivery) (any, error) {
		if order.Amount < 0 {
			return nil, Permanent("negative amount")
		}
		return map[string]any{"order_id": order.ID, "amount": order.Amount}, nil
	})
	ended := make(chan error, 1)
	go func() { ended <- w.Serve(context.Background()) }()
	g.publish("good", order("o-1", 12.5))
	g.publish("bad", order("o-2", -1))
	g.settled()
	equal(t, string(g.row("good").Result), `{"amount":12.5,"order_id":"o-1"}`)
	equal(t, Header(g.deadLetter().Header).last()["Muster-Dlq-Error"], "negative amount")
	w.Drain()
	must(t, <-ended)
}
