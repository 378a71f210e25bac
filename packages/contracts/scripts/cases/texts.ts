/** Header text and fingerprints. Expected fingerprints are hashes of the normal error, written out. */
import { sha256, type Vectors } from "./write.ts";

const text = (name: string, value: string, result: string, max?: number) => ({
  name,
  fn: "header_text",
  value,
  ...(max === undefined ? {} : { max }),
  result,
});

const print = (name: string, reason: string, error: string, normal: string) => ({
  name: `fingerprint: ${name}`,
  fn: "fingerprint",
  reason,
  error,
  result: sha256(`${reason}\n${normal}`).slice(0, 16),
});

export const textVectors: Vectors = {
  description: "fn header_text(value, max; default 1024), fingerprint(reason, error)",
  cases: [
    text("printable ASCII stays", "missing customer", "missing customer"),
    text(
      "all of printable ASCII",
      "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
      "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
    ),
    text("nothing", "", ""),
    text("spaces around go, spaces inside stay", "  a  b  ", "a  b"),
    text("only spaces", "    ", ""),
    text("line ends cannot begin a header", "a\r\nNats-Rollup: all", "a\\u000d\\u000aNats-Rollup: all"),
    text("a tab is no space: it is escaped, not trimmed", "\ta\t", "\\u0009a\\u0009"),
    text("spaces next to an escape stay", "\n a \n", "\\u000a a \\u000a"),
    text("NUL, U+001F and U+007F", "\0\u001f\u007f", "\\u0000\\u001f\\u007f"),
    text("Latin-1 in lower-case hex", "ÿ\u00a0", "\\u00ff\\u00a0"),
    text("an astral character is two units", "😀", "\\ud83d\\ude00"),
    text("right-to-left override", "a\u202eb", "a\\u202eb"),
    text("an escape in the text is not escaped again", "\\u0041\\n", "\\u0041\\n"),
    text("1,024 characters", "x".repeat(1024), "x".repeat(1024)),
    text("1,025 characters are cut", "x".repeat(1025), "x".repeat(1024)),
    text("trimmed first, then cut", `  ${"x".repeat(1024)}`, "x".repeat(1024)),
    text("cut counts what the escapes became", "é".repeat(1024), `${"\\u00e9".repeat(170)}\\u00`),
    text("a cut may split an escape", "é😀", "\\u00e9\\ud83d\\", 13),
    text("cut to 5", "missing customer", "missi", 5),
    text("a cut that ends in a space is not trimmed again", "ab cd", "ab ", 3),

    print("words", "permanent", "missing customer", "missing customer"),
    print("another reason", "exhausted", "missing customer", "missing customer"),
    print("capitals", "permanent", "Missing CUSTOMER", "missing customer"),
    print("numbers", "exhausted", "order 4711 failed", "order # failed"),
    print("other numbers, the same print", "exhausted", "order 8 failed", "order # failed"),
    print("a UUID", "exhausted", "id 550e8400-e29b-41d4-a716-446655440000", "id #"),
    print("a UUID in capitals", "exhausted", "id 550E8400-E29B-41D4-A716-446655440000", "id #"),
    print("words of hex letters stay", "exhausted", "dead beef face", "dead beef face"),
    print("hex letters beside a digit go with it", "exhausted", "fade5 x decade", "# x decade"),
    print("a dash without a digit stays", "exhausted", "re-try", "re-try"),
    print("a dash before a number goes", "exhausted", "at -5", "at #"),
    print("a decimal is two numbers", "exhausted", "took 1.5 s", "took #.# s"),
    print("letters a to f touch a number", "exhausted", "code42", "co#"),
    print("spaces", "exhausted", "a    b  c", "a b c"),
    print("an address", "exhausted", "connect 127.0.0.1:4222", "connect #.#.#.#:#"),
    print("a line end is text by then", "exhausted", "a\nb", "a\\u#"),
    print("beyond ASCII: escaped first", "exhausted", "é x", "\\u# x"),
    print("capitals beyond ASCII are not lowered", "exhausted", "É", "\\u#"),
    print("nothing", "conflict", "", ""),
    print("cut before it is normal", "exhausted", `${"x".repeat(1024)}1`, "x".repeat(1024)),
  ],
};
