import { setTimeout as sleep } from "node:timers/promises";
import type { OrderV1 } from "@muster/contracts";
import type { Context } from "@muster/worker-core";
import { PermanentError, RetryableError } from "@muster/worker-core";

/** Orders above this amount are shown to the fraud check. */
const fraudCheckAbove = 10_000;
const fraudCheckTimeoutMs = 1000;

/** The order's projection, kept as the result. */
export interface OrderResult {
  order_id: string;
  customer: string;
  amount: number;
  status: OrderV1["status"];
  fraud_checked: boolean;
}

/** The business rules of an order event. `workMs` simulates work; the abort cuts it short. */
export function createOrderHandler({ workMs }: { workMs: number }) {
  return async (order: OrderV1, context: Pick<Context, "nats" | "signal">): Promise<OrderResult> => {
    if (workMs > 0) {
      await sleep(workMs, undefined, { signal: context.signal });
    }
    if (order.amount < 0) {
      throw new PermanentError("negative amount");
    }
    if (order.customer === "") {
      throw new PermanentError("missing customer");
    }
    const { id: order_id, customer, amount, status } = order;
    const isLarge = amount > fraudCheckAbove;
    if (isLarge) {
      await checkFraud({ order_id, customer, amount }, context);
    }
    return { order_id, customer, amount, status, fraud_checked: isLarge };
  };
}

/** Reads ORDER_WORK_MS: a whole number of milliseconds, 0 where it is not set. */
export function readWorkMs(value: string | undefined): number {
  if (value === undefined || value === "") {
    return 0;
  }
  if (!/^[0-9]{1,9}$/.test(value)) {
    throw new Error(`ORDER_WORK_MS: ${JSON.stringify(value)} must be a whole number of milliseconds`);
  }
  return Number(value);
}

async function checkFraud(
  question: { order_id: string; customer: string; amount: number },
  { nats }: Pick<Context, "nats">,
): Promise<void> {
  try {
    await nats.request("fraud.check", JSON.stringify(question), { timeout: fraudCheckTimeoutMs });
  } catch (cause) {
    throw new RetryableError("fraud check timeout", { cause });
  }
}
