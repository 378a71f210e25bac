/** Depth, the grammar of JSON, numbers, surrogates, keys given twice. */
import { broken, order, type VerdictCase, valid } from "./verdict-cases.ts";

const depthCases: VerdictCase[] = [
  valid("64 arrays in each other", [["[", 64], ["]", 64]]),
  broken("depth", "65 arrays in each other", [["[", 65], ["]", 65]]),
  valid("64 objects in each other", [['{"a":', 64], ["1", 1], ["}", 64]]),
  broken("depth", "65 objects in each other", [['{"a":', 65], ["1", 1], ["}", 65]]),
  valid("32 arrays and 32 objects by turns", [['[{"a":', 32], ["1", 1], ["}]", 32]]),
  broken("depth", "32 by turns and one more", [['[{"a":', 32], ["[]", 1], ["}]", 32]]),
  valid("100 arrays beside each other", [["[", 1], ["[],", 100], ["[]]", 1]]),
  valid("100 brackets in a string", [['["', 1], ["[{", 50], ['"]', 1]]),
  valid("100 brackets in a key", [['{"', 1], ["[", 100], ['":1}', 1]]),
  valid("100 brackets behind an escaped quote", [['["\\"', 1], ["[", 100], ['"]', 1]]),
  broken("depth", "65 levels behind a string that ends in an escaped backslash", [['["\\\\",', 1], ["[", 64], ["]", 65]]),
  valid("brackets behind three backslashes and a quote", [['["\\\\\\"', 1], ["[", 100], ['"]', 1]]),
  broken("depth", "100,000 brackets that never close", [["[", 100_000]]),
  broken("depth", "100,000 arrays in each other", [["[", 100_000], ["]", 100_000]], "order.v1"),
  broken("depth", "100,000 objects in each other", [['{"a":', 100_000], ["1", 1], ["}", 100_000]]),
  broken("depth", "65 brackets and rubbish behind them", [["[", 65], ["x", 1]]),
  broken("depth", "65 levels with mixed-up closing brackets", [["[", 65], ["}", 65]]),
  broken("depth", "too deep comes before a number beyond a double", [["[", 65], ["1e400", 1], ["]", 65]]),
  broken("json", "100 brackets in a string that does not end", [['"', 1], ["[", 100]]),
  broken("json", "the count goes below zero: 10 closing, then 70 opening", [["]", 10], ["[", 70]]),
  broken("utf8", "not UTF-8 comes before too deep", { hex: `${"5b ".repeat(70)} ff` }),
];

const grammarCases: VerdictCase[] = [
  ...["{}", "[]", "null", "true", "false", "0", '""', '"x"', "-1", '{"a":[1,{"b":null}]}'].map((json) =>
    valid(`is JSON: ${json}`, json),
  ),
  ...[
    "{", "}", "[", "[1", '{"a":1', '"', '"abc', '"abc\\"', "nul", "nulll", "True", "NULL", "None", "undefined",
    "{} {}", '{"a":1}\n{"a":2}', "{}x", "{},", "[1,]", '{"a":1,}', "{,}", "[,1]", "[1,,2]", "[1 2]",
    '{"a" 1}', '{"a":}', '{"a"}', '{"a":1 "b":2}', "{a:1}", "{1:2}", "{'a':1}", "'a'", "`a`", "{null:1}",
    "// c\n{}", "/* c */{}", "{}// c", "# c\n{}", "[1]]", "[}", '{"a":1]', "(1)", ")]}'\n{}", "=1", "[1;2]", "1 2",
    '"\\x41"', '"\\u12"', '"\\u00g0"', '"\\U00000041"', '"\\\'"', '"\\0"', '"\\a"', '"\\', '"\\ "', '"\\u{41}"', '"\\u+041"',
    "\u201ca\u201d",
  ].map((json) => broken("json", `is no JSON: ${JSON.stringify(json)}`, json)),
  valid("every escape there is", '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00Ff"'),
  valid("an empty key", '{"":1}'),
  broken("json", "an order with a comma too many", order().replace("}", ",}"), "order.v1"),
  broken("json", "two orders in a line", order() + order(), "order.v1"),
];

// The largest double is 1.7976931348623157e308; from 1.797693134862315808e308 on it rounds up.
const numberCases: VerdictCase[] = [
  ...[
    "NaN", "nan", "Infinity", "-Infinity", "+Infinity", "inf", "-NaN", "+1", ".5", "-.5", "1.", "-", "1.e5", "01", "-01", "00",
    "1e", "1e+", "1E-", "1e5.5", "0x10", "0b1", "0o7", "1_000", "1,000", "--1", "- 1", "1 e5", "1f", "1n", "\uff11", "\u0661", "1/2", "1e\u0665",
  ].map((json) => broken("json", `is no number: ${json}`, json)),
  ...["-0", "-0.0", "0e0", "0e400", "-0e999999", "1e5", "1E+5", "1e-5", "1e05", "1e308", "1.7976931348623157e308", "1.7976931348623158e308",
    "-1.7976931348623157e308", "1e-400", "-1e-400", "5e-324", "1e-99999999999", "9007199254740993", "18446744073709551616",
    "0.1000000000000000055511151231257827", "3.14159265358979323846"].map((json) => valid(`is a number: ${json}`, json)),
  ...["1e400", "-1e400", "1E400", "1e+400", "1e309", "2e308", "1.7976931348623159e308", "1e999999999999999999999", "0.1e310"].map((json) =>
    broken("number", `is beyond a double: ${json}`, json),
  ),
  broken("number", "an integer of 400 digits", [["1", 400]]),
  broken("number", "a negative integer of 400 digits", [["-", 1], ["9", 400]]),
  broken("number", "an integer of 5,000 digits", [["[", 1], ["7", 5000], ["]", 1]]),
  valid("an integer of 309 digits that is 1e308", [["1", 1], ["0", 308]]),
  broken("number", "an integer of 310 digits that is 1e309", [["1", 1], ["0", 309]]),
  valid("an integer of 309 digits just below half a step above the largest double", [["1797693134862315807", 1], ["0", 290]]),
  broken("number", "an integer of 309 digits just above half a step above the largest double", [["1797693134862315808", 1], ["0", 290]]),
  valid("5,000 decimals", [["0.", 1], ["1", 5000]]),
  valid("many zeros make up for a large exponent", [["0.", 1], ["0", 400], ["1e400", 1]]),
  broken("json", "zeros before a number of 400 digits", [["0", 1], ["1", 400]]),
  valid("400 digits in a string", [['"', 1], ["1", 400], ['"', 1]]),
  valid("an exponent in a string", '"1e400"'),
  valid("an exponent in a key", '{"1e400":1}'),
  broken("number", "deep inside", '{"a":[{"b":[1,2,{"c":1e400}]}]}'),
  broken("number", "also where a later value of the key hides it", '{"a":1e400,"a":1}'),
  broken("json", "an order whose amount is NaN", order({ amount: "NaN" }), "order.v1"),
  broken("number", "an order whose amount is 1e400", order({ amount: "1e400" }), "order.v1"),
  broken("number", "an order whose amount is -1e400", order({ amount: "-1e400" }), "order.v1"),
  broken("number", "a number beyond a double where the schema wants a string", order({ customer: "1e400" }), "order.v1"),
  broken("json", "no JSON comes before a number beyond a double", '{"a":1e400'),
];

const surrogateCases: VerdictCase[] = [
  broken("surrogate", "a high surrogate alone", '"\\ud800"'),
  broken("surrogate", "a low surrogate alone", '"\\udc00"'),
  broken("surrogate", "upper-case hex", '"\\uDBFF"'),
  broken("surrogate", "high, then a letter", '"\\ud83dA"'),
  broken("surrogate", "high, then another escape", '"\\ud83d\\u0041"'),
  broken("surrogate", "high, then high and low", '"\\ud83d\\ud83d\\ude00"'),
  broken("surrogate", "low before high", '"\\ude00\\ud83d"'),
  broken("surrogate", "a pair, then a high one", '"\\ud83d\\ude00\\ud83d"'),
  broken("surrogate", "high as an escape, then an emoji", '"\\ud83d\u{1f600}"'),
  broken("surrogate", "high, then an escaped backslash and ude00", '"\\ud83d\\\\ude00"'),
  broken("surrogate", "the halves of a pair in two strings", '["\\ud83d","\\ude00"]'),
  broken("surrogate", "in a key", '{"\\ud800":1}'),
  broken("surrogate", "deep inside", '{"a":[{"b":["ok",{"c":"\\udfff"}]}]}'),
  broken("surrogate", "also where a later value of the key hides it", '{"a":"\\ud800","a":"x"}'),
  broken("surrogate", "also in a value that a later one hides", '{"a":{"b":["\\ud800"]},"a":1}'),
  broken("surrogate", "in an order", order({ customer: '"\\ud800"' }), "order.v1"),
  broken("surrogate", "comes before the schema", order({ status: '"\\ud800"', amount: '"x"' }), "order.v1"),
  broken("number", "a number beyond a double comes before it", '["\\ud800",1e400]'),
  broken("json", "no JSON comes before it", '["\\ud800"'),
  valid("a pair", '"\\ud83d\\ude00"'),
  valid("a pair, high in upper and low in lower case", '"\\uD83D\\ude00"'),
  valid("a pair as key", '{"\\ud83d\\ude00":"\\ud83d\\ude00"}'),
  valid("the lowest and the highest pair", '"\\ud800\\udc00\\udbff\\udfff"'),
  valid("a backslash, then ud800 as text", '"\\\\ud800"'),
  valid("the neighbours of the surrogates", '"\\ud7ff\\ue000"'),
  valid("the replacement character as an escape", '"\\ufffd"'),
  valid("noncharacters as escapes", '"\\uffff\\ufffe"'),
];

const keyCases: VerdictCase[] = [
  valid("__proto__ as a key", '{"__proto__":{"a":1}}'),
  valid("keys of every object in JavaScript", '{"constructor":1,"toString":2,"hasOwnProperty":3}'),
  valid("a key given twice", '{"a":1,"a":2}'),
  valid("a key given 1,000 times", [["{", 1], ['"a":1,', 1000], ['"a":2}', 1]]),
];

export const jsonCases = [...depthCases, ...grammarCases, ...numberCases, ...surrogateCases, ...keyCases];
