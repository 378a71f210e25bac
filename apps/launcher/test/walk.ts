// A page of the docs whose blocks can be done: ```<language> <file> is a whole file, ```diff <file> lines that go in
// between others, ```sh commands, and ```sh terminal commands that go on.

/** One block, in the order of the page. */
export type Block =
  | { kind: "file" | "diff"; file: string; text: string }
  | { kind: "run"; text: string }
  | { kind: "terminal"; text: string };

export function blocksOf(page: string): Block[] {
  const found = page.matchAll(/^```([a-z]+)(?: (\S+))?\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language = "", what, text = ""]): Block => {
    if (language === "sh") return { kind: what === "terminal" ? "terminal" : "run", text };
    if (what === undefined) throw new Error(`a block of ${language} does not say which file it is:\n${text}`);
    return { kind: language === "diff" ? "diff" : "file", file: what, text };
  });
}

/** Puts the `+` lines of a block where its other lines stand in `original`, and takes its `-` lines away. */
export function patched(original: string, block: { file: string; text: string }): string {
  const lines = block.text.trimEnd().split("\n");
  const side = (other: string): string =>
    lines
      .filter((line) => !line.startsWith(other))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  const before = side("+");
  const parts = original.split(before);
  if (parts.length !== 2)
    throw new Error(`these lines stand in ${block.file} ${parts.length - 1} times, not once:\n${before}`);
  return parts.join(side("-"));
}
