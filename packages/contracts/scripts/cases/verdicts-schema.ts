/** What the contracts say: order.v1, and paths.v1, which is made for the pointers in errors. */
import { mismatch, order, titled, type VerdictCase, valid } from "./verdict-cases.ts";

const ok = (name: string, body: Parameters<typeof valid>[1]) => valid(name, body, "order.v1");
const text = (s: string) => JSON.stringify(s);

// An order whose id is too long to write out.
function withId(id: [string, number][]): [string, number][] {
  const [before = "", after = ""] = order({ id: '"@"' }).split("@");
  return [[before, 1], ...id, [after, 1]];
}

const orderCases: VerdictCase[] = [
  ok("an order", order()),
  ok("fields in another order", order().replace('"id":"o-1",', "").replace("}", ',"id":"o-1"}')),
  ok("every status", order({ status: '"shipped"' })),
  ok("an empty customer is the handler's business", order({ customer: '""' })),
  ok("a negative amount is the handler's business", order({ amount: "-5" })),
  ok("amount -0", order({ amount: "-0" })),
  ok("amount 1e-400, which is 0", order({ amount: "1e-400" })),
  ok("amount 1e308", order({ amount: "1e308" })),
  ok("amount with 30 decimals", order({ amount: "0.123456789012345678901234567890" })),
  ok("amount with an exponent", order({ amount: "1.25E+1" })),
  ok("a key written with escapes", order().replace('"id"', '"\\u0069d"')),
  ok(
    "a wrong amount, then the right one: the last wins",
    order().replace('"amount"', '"amount":"x","amount"'),
  ),
  mismatch(
    "/amount",
    "the right amount, then a wrong one: the last wins",
    order().replace("12.5", '12.5,"amount":"x"'),
  ),
  mismatch(
    "/amount",
    "a key given again with an escape is the same key",
    order().replace("12.5", '12.5,"am\\u006funt":null'),
  ),

  ...["null", "[]", '"order"', "5", "true", `[${order()}]`].map((json) =>
    mismatch("/", `no object: ${json.slice(0, 10)}`, json),
  ),
  mismatch("/", "an empty object", "{}"),
  ...["id", "customer", "amount", "status", "created_at"].map((field) =>
    mismatch("/", `no ${field}`, order({ [field]: null })),
  ),
  mismatch("/", "an unknown field", order({ note: '"x"' })),
  mismatch("/", "an unknown field that is null", order({ note: "null" })),
  mismatch("/", "a field in upper case", order({ Amount: "1" })),
  mismatch("/", "an upper-case field instead of the field", order({ amount: null, Amount: "1" })),
  mismatch("/", "__proto__ beside the fields", order().replace("}", ',"__proto__":{}}')),
  mismatch("/", "the fields in __proto__", `{"__proto__":${order()}}`),
  mismatch("/", "constructor beside the fields", order({ constructor: "1" })),
  mismatch("/", "an empty key", order({ "": "1" })),
  mismatch("/", "100,000 unknown fields given twice", [
    ["{", 1],
    ['"x":0,', 100_000],
    [order().slice(1), 1],
  ]),

  ...['"12.5"', "true", "null", "[1]", "{}"].map((json) =>
    mismatch("/amount", `amount ${json}`, order({ amount: json })),
  ),
  ...["null", "5", "[]"].map((json) => mismatch("/customer", `customer ${json}`, order({ customer: json }))),
  ...['"Pending"', '"pending "', '""', "null", '["pending"]', '"p\\u0435nding"'].map((json) =>
    mismatch("/status", `status ${json}`, order({ status: json })),
  ),
  mismatch("/amount", "of two wrong fields the smaller one is told", order({ status: "1", amount: '"x"' })),
  mismatch("/", "a missing field comes before a wrong one", order({ id: null, amount: '"x"' })),
  mismatch("/amount", "four wrong fields", order({ status: "1", amount: '"x"', customer: "1", id: "1" })),

  ok("an id of one character", order({ id: '"x"' })),
  ok("an id of 512 characters", withId([["x", 512]])),
  mismatch("/id", "an id of 513 characters", withId([["x", 513]])),
  ok(
    "an id of 300 characters with dots, stars and spaces",
    withId([
      ["a.b*c >d$", 33],
      ["xyz", 1],
    ]),
  ),
  ok("an id of brackets, quotes and backslashes", order({ id: text('{["\\]}') })),
  mismatch("/id", "an empty id", order({ id: '""' })),
  mismatch("/id", "an id that begins with a space", order({ id: '" o-1"' })),
  mismatch("/id", "an id that ends with a space", order({ id: '"o-1 "' })),
  mismatch("/id", "an id that ends with a line feed", order({ id: '"o-1\\n"' })),
  mismatch("/id", "an id that ends with a carriage return", order({ id: '"o-1\\r"' })),
  mismatch("/id", "an id with a line feed inside", order({ id: '"o\\n1"' })),
  mismatch("/id", "an id with a tab", order({ id: '"o\\t1"' })),
  mismatch("/id", "an id with a NUL", order({ id: '"o\\u00001"' })),
  mismatch("/id", "an id with U+007F", order({ id: '"o\\u007f1"' })),
  mismatch("/id", "an id beyond ASCII", order({ id: text("o-ü") })),
  mismatch("/id", "an id of full-width digits", order({ id: text("１２") })),
  mismatch("/id", "an id that is a number", order({ id: "1" })),

  ok("256 characters of customer", order({ customer: text("x".repeat(256)) })),
  mismatch("/customer", "257 characters of customer", order({ customer: text("x".repeat(257)) })),
  ok(
    "256 emoji: length counts code points, not UTF-16 units or bytes",
    order({ customer: text("😀".repeat(256)) }),
  ),
  mismatch("/customer", "257 emoji", order({ customer: text("😀".repeat(257)) })),
  ok("256 emoji as escapes", order({ customer: `"${"\\ud83d\\ude00".repeat(256)}"` })),
  ok(
    "128 letters with a combining accent are 256 code points",
    order({ customer: text("e\u0301".repeat(128)) }),
  ),
  mismatch(
    "/customer",
    "129 letters with a combining accent are 258 code points",
    order({ customer: text("e\u0301".repeat(129)) }),
  ),
  ok("a customer with NUL, line feed and override", order({ customer: '"a\\u0000\\n\u202eb"' })),
  mismatch("/customer", "a customer of 900,000 characters", [
    ['{"id":"o-1","customer":"', 1],
    ["x", 900_000],
    ['","amount":1,"status":"pending","created_at":"2026-01-02T03:04:05Z"}', 1],
  ]),

  ...[
    "2026-01-02T03:04:05.1Z",
    "2026-01-02T03:04:05.123456789Z",
    "0000-00-00T00:00:00Z",
    "2026-13-99T99:99:99Z",
  ].map((s) => ok(`the pattern says yes: ${s}`, order({ created_at: text(s) }))),
  ...[
    "2026-01-02",
    "2026-01-02T03:04:05",
    "2026-01-02T03:04:05+00:00",
    "2026-01-02t03:04:05Z",
    "2026-01-02T03:04:05z",
    "2026-01-02 03:04:05Z",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05.1234567890Z",
    "2026-01-02T03:04:05,1Z",
    "2026-1-2T03:04:05Z",
    "12026-01-02T03:04:05Z",
    "2026-01-02T03:04:05Z\n",
    " 2026-01-02T03:04:05Z",
    "\n2026-01-02T03:04:05Z",
    "٢٠٢٦-01-02T03:04:05Z",
    "２０２６-01-02T03:04:05Z",
    "",
  ].map((s) => mismatch("/created_at", `the pattern says no: ${text(s)}`, order({ created_at: text(s) }))),
];

const path = (pointer: string, name: string, json: string) => mismatch(pointer, name, json, "paths.v1");
const pathOk = (name: string, json: string) => valid(name, json, "paths.v1");

const pathCases: VerdictCase[] = [
  pathOk("nothing", "{}"),
  path("/items/1", "a field missing in an array", '{"items":[{"sku":"a"},{}]}'),
  path("/items/0/sku", "a wrong type in an array", '{"items":[{"sku":1},{"sku":2}]}'),
  path(
    "/items/10/sku",
    "10 comes before 2 by code points",
    `{"items":[{"sku":"a"},{"sku":"a"},{"sku":1},${'{"sku":"a"},'.repeat(7)}{"sku":1}]}`,
  ),
  path("/items/0", "an unknown field is told at its object", '{"items":[{"sku":"a","x":1}]}'),
  path("/a~1b", "a slash in a name is ~1", '{"a/b":"x"}'),
  path("/a~0b", "a tilde in a name is ~0", '{"a~b":"x"}'),
  path("/a~0b", "~0 comes before ~1", '{"a/b":"x","a~b":"x"}'),
  path(
    "/\uffff",
    "U+FFFF comes before an emoji by code points, not by UTF-16 units",
    '{"\u{1f600}":"x","\uffff":"x"}',
  ),
  path("/free/x y/\u00e9", "names as they are, not as a URI", '{"free":{"x y":{"\u00e9":"no"}}}'),
  path("/choice/n", "of a choice only the leaves count", '{"choice":{"n":"x"}}'),
  path("/choice", "the choice itself where a branch fails there", '{"choice":5}'),
  path("/one/n", "none of oneOf: the leaves", '{"one":{"n":"x"}}'),
  path("/one", "two of oneOf: the choice", '{"one":{"n":3}}'),
  path("/ref/deep", "behind a reference", '{"ref":{"deep":"x"}}'),
  path("/tree/left/left", "a reference to itself", '{"tree":{"left":{"left":1}}}'),
  pathOk("1.0 is an integer", '{"a/b":1.0}'),
  pathOk("1e300 is an integer", '{"a/b":1e300}'),
  pathOk("1e-400 is 0, an integer", '{"a/b":1e-400}'),
  pathOk("-0.0 is an integer", '{"a/b":-0.0}'),
  pathOk("5.00000000000000000001 is 5, an integer", '{"a/b":5.00000000000000000001}'),
  path("/a~1b", "5.5 is no integer", '{"a/b":5.5}'),
  pathOk("10.00000000000000000001 is 10, not above 10", '{"small":10.00000000000000000001}'),
  path("/small", "10.000000000000002 is above 10", '{"small":10.000000000000002}'),
  pathOk("9007199254740993 is 9007199254740992 as a double", '{"exact":9007199254740993}'),
  path("/exact", "9007199254740994 is another double", '{"exact":9007199254740994}'),
  pathOk("1 and 1.0 are the same constant", '{"one_const":1.0}'),
  path("/one_const", "true is not 1", '{"one_const":true}'),
  path("/unique", "1 and 1.0 are the same item", '{"unique":[1,1.0]}'),
  pathOk("1 and true are two items", '{"unique":[1,true]}'),
  pathOk("a format is an annotation", '{"when":"never"}'),
  path("/word", "a pattern is not anchored, and sees no line feed at its end", '{"word":"ab\\n"}'),
  pathOk(
    "a nested key given twice: the last object wins whole",
    '{"items":[{"sku":1,"sku":"a"}],"ref":{"deep":"x"},"ref":{}}',
  ),
];

export const schemaCases = [...titled("order", orderCases), ...titled("paths", pathCases)];

/** The contracts that only these vectors use; their names are the names of their files. */
export const vectorContracts = {
  "any.v1": { $schema: "https://json-schema.org/draft/2020-12/schema", title: "any.v1" },
  "paths.v1": {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "paths.v1",
    type: "object",
    properties: {
      items: {
        type: "array",
        items: {
          type: "object",
          properties: { sku: { type: "string" } },
          required: ["sku"],
          additionalProperties: false,
        },
      },
      "a/b": { type: "integer" },
      "a~b": { type: "integer" },
      "\uffff": { type: "integer" },
      "\u{1f600}": { type: "integer" },
      free: { additionalProperties: { additionalProperties: { type: "integer" } } },
      choice: {
        anyOf: [
          { type: "object", properties: { n: { type: "integer" } } },
          { type: "object", properties: { n: { type: "boolean" } } },
        ],
      },
      one: {
        oneOf: [
          { type: "object", properties: { n: { type: "integer" } } },
          { type: "object", properties: { n: { type: "number", minimum: 2 } } },
        ],
      },
      ref: { $ref: "#/$defs/ref" },
      tree: { $ref: "#/$defs/tree" },
      small: { type: "number", maximum: 10 },
      exact: { const: 9007199254740992 },
      one_const: { const: 1 },
      unique: { type: "array", uniqueItems: true },
      when: { type: "string", format: "date-time" },
      word: { type: "string", pattern: "[a-z]$" },
    },
    $defs: {
      ref: { type: "object", properties: { deep: { type: "integer" } } },
      tree: { type: "object", properties: { left: { $ref: "#/$defs/tree" } } },
    },
  },
};
