// Text of others made safe for a terminal.

// Control characters (ANSI escapes begin with one), bidi marks and separators, which reorder or hide
// what is read, zero-width characters, tags, lone surrogates, private use.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

/** The text with everything that a terminal would obey, or a reader would not see, written as an escape. */
export function safe(text: string): string {
  return text.replace(unsafe, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return point > 0xffff ? `\\u{${point.toString(16)}}` : `\\u${point.toString(16).padStart(4, "0")}`;
  });
}

/** As {@link safe}, each line by itself: for text that is laid out already. */
export function safeLines(text: string): string {
  return text.split("\n").map(safe).join("\n");
}

/** The text cut to `max` characters, with a mark where it was cut. */
export function cut(text: string, max: number): string {
  const characters = [...text];
  return characters.length <= max ? text : `${characters.slice(0, max - 1).join("")}…`;
}

/** JSON that a terminal can show: what is unsafe is escaped as JSON has it, so it parses to the same. */
export function safeJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu,
    (character) =>
      character === "\n"
        ? character
        : [...Array(character.length).keys()]
            .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`)
            .join(""),
  );
}
