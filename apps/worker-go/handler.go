// Package workergo is the order worker: business rules, and nothing of the protocol.
package workergo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

const (
	// Orders above this amount are shown to the fraud check.
	fraudCheckAbove   = 10_000
	fraudCheckTimeout = time.Second
)

// Order is the contract order.v1.
type Order struct {
	ID        string  `json:"id"`
	Customer  string  `json:"customer"`
	Amount    float64 `json:"amount"`
	Status    string  `json:"status"`
	CreatedAt string  `json:"created_at"`
}

// Result is the order's projection.
type Result struct {
	OrderID      string  `json:"order_id"`
	Customer     string  `json:"customer"`
	Amount       float64 `json:"amount"`
	Status       string  `json:"status"`
	FraudChecked bool    `json:"fraud_checked"`
}

// NewHandler gives the business rules of an order event. work simulates work, 0 is none; a
// cancelled context cuts it short.
func NewHandler(work time.Duration) muster.Handler[Order] {
	return func(ctx context.Context, order Order, d *muster.Delivery) (any, error) {
		if err := pause(ctx, work); err != nil {
			return nil, err
		}
		if order.Amount < 0 {
			return nil, muster.Permanent("negative amount")
		}
		if order.Customer == "" {
			return nil, muster.Permanent("missing customer")
		}
		isLarge := order.Amount > fraudCheckAbove
		if isLarge {
			if err := checkFraud(ctx, order, d); err != nil {
				return nil, err
			}
		}
		return Result{order.ID, order.Customer, order.Amount, order.Status, isLarge}, nil
	}
}

// ReadWork reads ORDER_WORK_MS: a whole number of milliseconds, 0 where it is not set.
func ReadWork(value string) (time.Duration, error) {
	if value == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("ORDER_WORK_MS: %q must be a whole number of milliseconds", value)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func checkFraud(ctx context.Context, order Order, d *muster.Delivery) error {
	question, err := json.Marshal(map[string]any{"order_id": order.ID, "customer": order.Customer, "amount": order.Amount})
	if err != nil {
		return fmt.Errorf("fraud check question: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fraudCheckTimeout)
	defer cancel()
	if _, err := d.Conn.RequestWithContext(ctx, "fraud.check", question); err != nil {
		return muster.Retryable("fraud check timeout", 0)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
