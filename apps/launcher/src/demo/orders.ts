import { type OrderEvent, type OrderV1, orderEventId, orderEvents } from "@muster/contracts";
import { type Random, seeded } from "./random.ts";

/** What an order is published to show, and so what must become of it. */
export type OrderKind =
  /** Done. */
  | "good"
  /** Dead `invalid`: the body is no JSON. */
  | "not_json"
  /** Dead `invalid`: JSON that breaks the contract. */
  | "broken"
  /** Dead `permanent`: a rule of the handler says no. */
  | "permanent"
  /** Dead `exhausted` while the fraud check is down, done when replayed. */
  | "large";

/** An event as it is published, byte for byte. */
export type DemoOrder = { eventId: string; event: OrderEvent; kind: OrderKind; body: Uint8Array };

// Shares of all orders. The large ones come first, so that even a very small demo replays one.
const shares: readonly (readonly [OrderKind, number])[] = [
  ["large", 0.02],
  ["permanent", 0.02],
  ["broken", 0.02],
  ["not_json", 0.01],
];

const statuses: readonly OrderV1["status"][] = ["pending", "confirmed", "shipped", "delivered"];
const FIRST_DAY = Date.UTC(2026, 0, 1);
const DAY_S = 86_400;

/** The orders of a demo: the same ones, in the same order, for the same count and seed. */
export function seededOrders(count: number, seed: number): DemoOrder[] {
  const random = seeded(seed);
  return random.shuffle(kindsOf(count)).map((kind, index) => {
    const id = `order-${String(index + 1).padStart(6, "0")}`;
    const event = random.pick(orderEvents);
    const body = new TextEncoder().encode(bodyOf(kind, goodOrder(id, random), random));
    return { eventId: orderEventId(id, event), event, kind, body };
  });
}

/** How many orders of each kind there are among `count`: its share, and at least one while they last. */
export function kindsOf(count: number): OrderKind[] {
  const kinds = shares.flatMap(([kind, share]) => {
    return Array.from({ length: Math.max(1, Math.round(count * share)) }, () => kind);
  });
  const good = Array.from({ length: Math.max(0, count - kinds.length) }, () => "good" as const);
  return [...kinds.slice(0, count), ...good];
}

function goodOrder(id: string, random: Random): OrderV1 {
  return {
    id,
    customer: `customer-${random.between(1, 200)}`,
    amount: random.between(100, 1_000_000) / 100,
    status: random.pick(statuses),
    created_at: new Date(FIRST_DAY + random.between(0, 300 * DAY_S) * 1000).toISOString(),
  };
}

function bodyOf(kind: OrderKind, order: OrderV1, random: Random): string {
  const json = JSON.stringify(order);
  switch (kind) {
    case "good":
      return json;
    case "not_json":
      return random.pick([
        json.slice(0, -10),
        `<order id="${order.id}"/>`,
        json.replace(/"amount":[0-9.]+/, '"amount":NaN'),
      ]);
    case "broken": {
      const { customer, ...withoutCustomer } = order;
      return JSON.stringify(
        random.pick([
          withoutCustomer,
          { ...order, amount: String(order.amount) },
          { ...order, status: "lost" },
          { ...order, note: customer },
        ]),
      );
    }
    case "permanent":
      return JSON.stringify(
        random.pick([
          { ...order, amount: -order.amount },
          { ...order, customer: "" },
        ]),
      );
    case "large":
      return JSON.stringify({ ...order, amount: 10_000 + random.between(1, 9_000_000) / 100 });
  }
}
