/** One case of a benchmark: ours against the raw client, by round. Above 1 ours is better. */
export type Case = {
  name: string;
  /** Median of the rounds, because one round on a shared machine says nothing. */
  ratio: number;
  min: number;
  max: number;
  rounds: number;
  /** Absent: the case is reported, not judged. */
  target?: number;
  met?: boolean;
};

/** Sums up rounds. */
export function summarize(name: string, ratios: readonly number[], target?: number): Case {
  const sorted = ratios.toSorted((a, b) => a - b);
  const at = (index: number): number => Math.round((sorted[index] ?? Number.NaN) * 1000) / 1000;
  const ratio = at(sorted.length >> 1);
  return {
    name,
    ratio,
    min: at(0),
    max: at(sorted.length - 1),
    rounds: sorted.length,
    ...(target === undefined ? {} : { target, met: ratio >= target }),
  };
}

/** A table for people, or one JSON object on the last line, with what else is `told`. */
export function report(
  cases: readonly Case[],
  asJson: boolean,
  told: Readonly<Record<string, unknown>> = {},
): void {
  const width = Math.max(...cases.map(({ name }) => name.length));
  for (const { name, ratio, min, max, rounds, target, met } of cases) {
    const aim = target === undefined ? "" : `  target ${target}: ${met === true ? "met" : "MISSED"}`;
    console.log(`${name.padEnd(width)}  ${ratio.toFixed(2)} × raw  (${min}–${max}, ${rounds} rounds)${aim}`);
  }
  if (asJson) console.log(JSON.stringify({ cases, ...told }));
}
