/** The business rules of the order workers. */
import type { Vectors } from "./write.ts";

const order = (change: Record<string, unknown> = {}) => ({
  id: "o-1",
  customer: "Ada",
  amount: 12.5,
  status: "pending",
  created_at: "2026-01-02T03:04:05Z",
  ...change,
});

const done = (name: string, o: ReturnType<typeof order>, checked: boolean, fraud = "answers") => ({
  name,
  order: o,
  fraud,
  outcome: "done",
  result: {
    order_id: o.id,
    customer: o.customer,
    amount: o.amount,
    status: o.status,
    fraud_checked: checked,
  },
});

const fails = (name: string, o: unknown, outcome: string, error: string, fraud = "answers") => ({
  name,
  order: o,
  fraud,
  outcome,
  error,
});

export const orderVectors: Vectors = {
  description: "order, whether fraud.check answers or is silent, and what the handler makes of it",
  cases: [
    done("an order", order(), false),
    done(
      "every field is in the result",
      order({ id: "o 2.*", customer: "Grace é", amount: 7, status: "shipped" }),
      false,
    ),
    done("amount 0", order({ amount: 0 }), false),
    done("amount just 10000 is not checked", order({ amount: 10_000 }), false, "silent"),
    done("amount above 10000 is checked", order({ amount: 10_000.01 }), true),
    done("a very large amount", order({ amount: 1e300 }), true),
    done("a customer of one space is a customer", order({ customer: " " }), false),
    done("a cancelled order is an order", order({ status: "cancelled" }), false),
    done("a small order needs no fraud check", order({ amount: 9999.99 }), false, "silent"),
    fails("amount below 0", order({ amount: -0.01 }), "permanent", "negative amount"),
    fails("amount far below 0", order({ amount: -1e300 }), "permanent", "negative amount"),
    fails("no customer", order({ customer: "" }), "permanent", "missing customer"),
    fails(
      "amount is looked at before the customer",
      order({ amount: -1, customer: "" }),
      "permanent",
      "negative amount",
    ),
    fails(
      "the customer is looked at before the fraud check",
      order({ amount: 20_000, customer: "" }),
      "permanent",
      "missing customer",
      "silent",
    ),
    fails(
      "the fraud check is silent",
      order({ amount: 10_000.01 }),
      "retryable",
      "fraud check timeout",
      "silent",
    ),
    fails(
      "the fraud check is silent for a very large amount",
      order({ amount: 1e300 }),
      "retryable",
      "fraud check timeout",
      "silent",
    ),
  ],
};
