/** One case of a benchmark: our messages per second over the raw client's, by round. */
export type Case = { name: string; ratio: number; min: number; max: number; rounds: number };

/** Sums up rounds: the median, because one round on a shared machine says nothing. */
export function summarize(name: string, ratios: readonly number[]): Case {
  const sorted = ratios.toSorted((a, b) => a - b);
  const at = (index: number): number => Math.round((sorted[index] ?? Number.NaN) * 1000) / 1000;
  return {
    name,
    ratio: at(sorted.length >> 1),
    min: at(0),
    max: at(sorted.length - 1),
    rounds: sorted.length,
  };
}

/** A table for people, or one JSON object on the last line. */
export function report(cases: readonly Case[], asJson: boolean): void {
  for (const one of cases) {
    console.log(
      `${one.name.padEnd(28)} ${one.ratio.toFixed(2)} × raw  (${one.min}–${one.max}, ${one.rounds} rounds)`,
    );
  }
  if (asJson) console.log(JSON.stringify({ cases }));
}
