/** What is wrong with a spec that passes its schema. */
import type { Vectors } from "./write.ts";

const pull = {
  v: 1,
  stream: "ORDERS",
  group: "billing",
  contracts: ["order.v1"],
  subjects: ["orders.>"],
};
const queue = { ...pull, stream: "core", delivery: { mode: "queue" }, ledger: "none" };
const batch = { ...pull, delivery: { mode: "batch", size: 100, wait_ms: 500 }, concurrency: 100 };

const fine = (name: string, spec: unknown) => ({ name, spec, problems: [] as string[] });
const wrong = (name: string, spec: unknown, ...problems: string[]) => ({ name, spec, problems });
const taking = (...subjects: string[]) => ({ ...pull, subjects });
const OURS = "takes what belongs to Muster";

export const specProblemVectors: Vectors = {
  description:
    "spec (it passes the schema group-spec, whose defaults apply), and its problems in this order; none: []",
  cases: [
    fine("a pull group", pull),
    fine("a pull group without ledger", { ...pull, ledger: "none" }),
    fine("a pull group with a breaker", { ...pull, breaker: { failure_share: 0.5 } }),
    fine("a push group", { ...pull, delivery: { mode: "push" } }),
    fine("a batch group with rows in Postgres", { ...batch, ledger: "postgres" }),
    fine("a queue group", queue),
    fine("a stream called Core is a stream", { ...pull, stream: "Core" }),

    ...["pull", "push"].map((mode) =>
      wrong(
        `core with mode ${mode}`,
        { ...pull, stream: "core", delivery: { mode } },
        `stream: core has no messages to keep, mode ${mode} needs a stream`,
      ),
    ),
    wrong(
      "core with mode batch",
      { ...batch, stream: "core" },
      "stream: core has no messages to keep, mode batch needs a stream",
    ),
    wrong(
      "core and no mode, which is pull",
      { ...pull, stream: "core" },
      "stream: core has no messages to keep, mode pull needs a stream",
    ),
    wrong(
      "a stream with mode queue",
      { ...queue, stream: "ORDERS" },
      "stream: mode queue has none, write core instead of ORDERS",
    ),
    wrong(
      "mode queue with rows in Postgres",
      { ...queue, ledger: "postgres" },
      "ledger: mode queue has no identity for a row, write none instead of postgres",
    ),
    wrong(
      "mode queue and no ledger named, which is kv",
      { ...pull, stream: "core", delivery: { mode: "queue" } },
      "ledger: mode queue has no identity for a row, write none instead of kv",
    ),
    wrong(
      "mode queue with a breaker",
      { ...queue, breaker: { failure_share: 0.5 } },
      "breaker: in mode queue messages pass unseen while it is open, leave it out",
    ),
    wrong(
      "everything a queue group can have wrong",
      { ...queue, stream: "ORDERS", ledger: "kv", breaker: { failure_share: 1 }, subjects: ["muster.x"] },
      "stream: mode queue has none, write core instead of ORDERS",
      "ledger: mode queue has no identity for a row, write none instead of kv",
      "breaker: in mode queue messages pass unseen while it is open, leave it out",
      `subjects: muster.x ${OURS}`,
    ),

    fine("a batch as large as max_ack_pending", { ...batch, max_ack_pending: 100 }),
    wrong(
      "a batch larger than max_ack_pending",
      { ...batch, max_ack_pending: 99 },
      "delivery: a batch of 100 is never full with max_ack_pending 99",
    ),
    fine("a batch that concurrency makes small enough", { ...batch, concurrency: 10, max_ack_pending: 10 }),

    fine("subjects side by side", taking("orders.created", "orders.*.eu", "invoices.>")),
    fine("two tokens do not reach what is ours", taking("*.created")),
    fine("a token that begins like ours", taking("muster2.>", "musters.a.b")),
    wrong("the dead letters", taking("muster.dlq.ORDERS.>"), `subjects: muster.dlq.ORDERS.> ${OURS}`),
    wrong("all that is ours", taking("muster.>"), `subjects: muster.> ${OURS}`),
    wrong("the root of ours", taking("muster"), `subjects: muster ${OURS}`),
    wrong("everything of two tokens and more", taking("*.>"), `subjects: *.> ${OURS}`),
    wrong("a star in the place of ours", taking("*.replay.>"), `subjects: *.replay.> ${OURS}`),
    wrong("three stars", taking("*.*.*"), `subjects: *.*.* ${OURS}`),
    wrong(
      "a subject twice",
      taking("orders.created", "orders.created"),
      "subjects: orders.created and orders.created overlap",
    ),
    wrong(
      "one subject inside the other",
      taking("orders.>", "orders.created"),
      "subjects: orders.> and orders.created overlap",
    ),
    wrong(
      "one subject inside the next",
      taking("orders.created", "orders.>"),
      "subjects: orders.created and orders.> overlap",
    ),
    wrong(
      "stars that cross",
      taking("orders.*.eu", "orders.created.*"),
      "subjects: orders.*.eu and orders.created.* overlap",
    ),
    fine("the rest does not hold the root", taking("orders", "orders.>")),
    fine("stars of another length", taking("orders.*", "orders.*.*")),
    wrong("of three the first and the last", taking("a.b", "b.c", "a.*"), "subjects: a.b and a.* overlap"),
  ],
};
