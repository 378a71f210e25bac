/** Where two texts part, as a few lines of each; `undefined` where they are the same. */
export function firstDifference(committed: string, generated: string): string | undefined {
  if (committed === generated) return undefined;
  const before = committed.split("\n");
  const after = generated.split("\n");
  let at = 0;
  while (before[at] === after[at]) at++;
  return [
    `differs from line ${at + 1} on:`,
    ...before.slice(at, at + 3).map((line) => `  committed: ${line}`),
    ...after.slice(at, at + 3).map((line) => `  generated: ${line}`),
  ].join("\n");
}
