// Package workergo is the order worker's handler: the same business rules as in TypeScript and
// Python, proven by packages/contracts/vectors/orders.json.
package workergo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/muster-dev/muster/apps/worker-go/contracts"
	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

// Version of the application, told in records and dead letters.
const Version = "0.1.0"

const (
	// largeAmount: orders above it are asked about.
	largeAmount  = 10_000
	fraudSubject = "fraud.check"
	fraudTimeout = time.Second
)

// Projection is what is known of an order once it is done.
type Projection struct {
	OrderID      string                  `json:"order_id"`
	Customer     string                  `json:"customer"`
	Amount       float64                 `json:"amount"`
	Status       contracts.OrderV1Status `json:"status"`
	FraudChecked bool                    `json:"fraud_checked"`
}

// Handler handles orders; each takes the work time at least.
func Handler(work time.Duration) muster.Handler[contracts.OrderV1] {
	return func(ctx context.Context, order contracts.OrderV1, d *muster.Delivery) (any, error) {
		if err := wait(ctx, work); err != nil {
			return nil, err
		}
		switch {
		case order.Amount < 0:
			return nil, muster.Permanent("negative amount")
		case order.Customer == "":
			return nil, muster.Permanent("missing customer")
		case order.Amount > largeAmount:
			if err := checkFraud(ctx, order, d); err != nil {
				return nil, err
			}
		}
		return Projection{order.ID, order.Customer, order.Amount, order.Status, order.Amount > largeAmount}, nil
	}
}

// WorkTime reads ORDER_WORK_MS, which simulates work.
func WorkTime(getenv func(string) string) (time.Duration, error) {
	text := getenv("ORDER_WORK_MS")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("ORDER_WORK_MS: %q is not a whole number of milliseconds", text)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func checkFraud(ctx context.Context, order contracts.OrderV1, d *muster.Delivery) error {
	question, err := json.Marshal(map[string]any{
		"order_id": order.ID, "customer": order.Customer, "amount": order.Amount,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fraudTimeout)
	defer cancel()
	if _, err := d.Conn.RequestWithContext(ctx, fraudSubject, question); err != nil {
		return muster.Retryable("fraud check timeout")
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
