import { type OrderV1, orderEventId, orderEvents } from "@muster/contracts";
import type { Outgoing } from "../demo/publisher.ts";
import { type Random, seeded } from "../demo/random.ts";
import { directiveOf, type KindName, kindsOf } from "./kinds.ts";

/** An order event of the fleet: what it is to show, and what its effect is. */
export type FleetOrder = { eventId: string; kind: KindName; customer: string; cents: number };

/** The orders, and the messages that bring them: some orders are published twice. */
export type Orders = { orders: FleetOrder[]; messages: Outgoing[] };

/** Customers share balances, so that transactions meet. */
const CUSTOMERS = 200;
/** How long an ordinary order takes, in ms. */
const WORK_MS = [5, 40] as const;
/** A second copy comes at most so many messages later. */
const COPY_WITHIN = 300;
/** Orders that kill processes come early: each death costs a wait for the message to come back. */
const CRASH_WITHIN = 0.5;

const statuses: readonly OrderV1["status"][] = ["pending", "confirmed", "shipped", "delivered"];
const FIRST_DAY = Date.UTC(2026, 0, 1);
const DAY_S = 86_400;

/** The same orders and messages, in the same order, for the same count and seed. `hasBalances`: each adds to a balance. */
export function seededOrders(count: number, seed: number, hasBalances: boolean): Orders {
  const random = seeded(seed);
  const orders: FleetOrder[] = [];
  const placed: { place: number; message: Outgoing }[] = [];
  for (const [index, kind] of crashesFirst(random.shuffle(kindsOf(count)), random).entries()) {
    const order = orderOf(index, random);
    const event = random.pick(orderEvents);
    const eventId = orderEventId(order.id, event);
    orders.push({ eventId, kind, customer: order.customer, cents: Math.round(order.amount * 100) });
    const directive = directiveOf(kind, random.between(...WORK_MS));
    const headers = {
      "Muster-Conformance": hasBalances ? `${directive};balance=1` : directive,
      ...(kind === "unknown_contract" ? { "Muster-Contract": "order.v9" } : {}),
    };
    const [body, ...copies] = bodiesOf(kind, order, random);
    placed.push({ place: index, message: { eventId, event, body: bytes(body), headers } });
    for (const copy of copies) {
      const message = { eventId, event, body: bytes(copy), headers, messageId: `${eventId}.again` };
      placed.push({ place: index + random.between(1, COPY_WITHIN), message });
    }
  }
  const messages = placed.sort((a, b) => a.place - b.place).map(({ message }) => message);
  return { orders, messages };
}

function crashesFirst(names: readonly KindName[], random: Random): KindName[] {
  const isCrash = (name: KindName): boolean => name === "crashes" || name === "crash_loops";
  const others = names.filter((name) => !isCrash(name));
  for (const crash of names.filter(isCrash))
    others.splice(random.between(0, Math.floor(others.length * CRASH_WITHIN)), 0, crash);
  return others;
}

function orderOf(index: number, random: Random): OrderV1 {
  return {
    id: `order-${String(index + 1).padStart(6, "0")}`,
    customer: `customer-${random.between(1, CUSTOMERS)}`,
    amount: random.between(100, 1_000_000) / 100,
    status: random.pick(statuses),
    created_at: new Date(FIRST_DAY + random.between(0, 300 * DAY_S) * 1000).toISOString(),
  };
}

function bodiesOf(kind: KindName, order: OrderV1, random: Random): [string, ...string[]] {
  const json = JSON.stringify(order);
  switch (kind) {
    case "not_json":
      return [
        random.pick([json.slice(0, -10), `<order/>`, json.replace(/"amount":[0-9.]+/, '"amount":NaN')]),
      ];
    case "broken":
      return [
        JSON.stringify(
          random.pick([
            { ...order, amount: String(order.amount) },
            { ...order, status: "lost" },
            { ...order, note: "" },
          ]),
        ),
      ];
    case "twice":
      return [json, json];
    case "conflicts":
      // The amount is the same: whichever is done, the balance is.
      return [json, JSON.stringify({ ...order, status: "cancelled" })];
    default:
      return [json];
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
