package muster_test

import (
	"context"

	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

type Order struct {
	ID       string  `json:"id"`
	Customer string  `json:"customer"`
	Amount   float64 `json:"amount"`
}

// A whole worker. The README shows it; a test compares them.
func Example() {
	muster.Run(func(ctx context.Context, order Order, d *muster.Delivery) (any, error) {
		if order.Amount < 0 {
			return nil, muster.Permanent("negative amount")
		}
		d.Log.Debug("handling", "customer", order.Customer)
		return map[string]any{"order_id": order.ID, "amount": order.Amount}, nil
	})
}
