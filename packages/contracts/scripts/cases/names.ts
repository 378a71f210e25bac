/** Which texts may be names of streams, groups and members, and which subjects may be published to. */
import type { Vectors } from "./write.ts";

const every = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456";
const names = {
  yes: ["orders", "ORDERS", "a", "0", "-", "_", "a-b_c-1", "-rf", "789-_", every, "x".repeat(60)],
  no: [
    "",
    " ",
    "x".repeat(61),
    "a.b",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\t",
    "a\0",
    "*",
    ">",
    "a*",
    "$JS",
    "a:b",
    "a/b",
    "a\\b",
    "ä",
    "a\u0301",
    "１",
    "٣",
    "Ａ",
    "a,b",
    "a=b",
    "a+b",
    "a@b",
    "#a",
    "a\u200b",
    "😀",
  ],
};

const subjects = {
  yes: [
    "orders.created",
    "orders",
    "a.b.c.d.e.f",
    "$JS.API.INFO",
    "orders.o-1",
    "a:b/c=d+e,f",
    "orders.#1",
    "orders._",
    "~.!",
    "muster.replay.ORDERS.billing.orders.created",
  ],
  no: [
    "",
    ".",
    "..",
    ".orders",
    "orders.",
    "orders..created",
    "orders.*",
    "*.created",
    "orders.>",
    ">",
    "*",
    "orders.cre*ted",
    "orders.a>b",
    "orders.>.created",
    "orders. created",
    "orders created",
    " orders",
    "orders ",
    "orders.\tx",
    "orders.x\n",
    "orders\r",
    "orders.\0",
    "orders.ü",
    "orders.\u007f",
    "orders.\u00a0",
    "orders.１",
  ],
};

const cases = [
  ...both("name", names.yes, names.no),
  ...both("stream", [...names.yes, "Core", "CORE", "core2", "core_DLQ"], [...names.no, "core"]),
  { name: "name: core is only no stream", kind: "name", value: "core", valid: true },
  ...both("subject", subjects.yes, subjects.no),
];

function both(kind: string, yes: string[], no: string[]) {
  return [
    ...yes.map((value) => ({ name: `${kind} ${JSON.stringify(value)}`, kind, value, valid: true })),
    ...no.map((value) => ({ name: `no ${kind} ${JSON.stringify(value)}`, kind, value, valid: false })),
  ];
}

export const nameVectors: Vectors = {
  description: "kind name, stream or subject (one that can be published to: no wildcards)",
  cases,
};
