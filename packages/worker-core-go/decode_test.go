package muster

import (
	"context"
	"testing"
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
