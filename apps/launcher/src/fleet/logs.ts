/** A line that a process of the fleet logged. */
export type LogLine = { seat: string; run: number; fields: Readonly<Record<string, unknown>> };

/** An expression over log lines, as a log store takes it: the message, and fields with their values. */
export type LogQuery = Readonly<Record<string, unknown>>;

/** Fields that every line has. */
const common = ["time", "level", "msg", "stream", "group", "member", "language"];

/** Lines that the expression selects, counted by a field: the same expression for every language. */
export function countLogs(lines: readonly LogLine[], query: LogQuery, by: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { fields } of lines) {
    if (!Object.entries(query).every(([name, value]) => fields[name] === value)) continue;
    const key = String(fields[by]);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/**
 * Where lines of different languages differ: a line without a common field, and a message whose fields have other
 * names or types in one language than in another. Messages that a language did not log are no difference.
 */
export function logDifferences(lines: readonly LogLine[]): string[] {
  const differences = new Set<string>();
  const shapes = new Map<string, Map<string, Set<string>>>();
  for (const { seat, fields } of lines) {
    for (const name of common.filter((one) => typeof fields[one] !== "string"))
      differences.add(`a line of ${seat} has no text ${name}: ${JSON.stringify(fields)}`);
    const byLanguage = shapes.get(String(fields["msg"])) ?? new Map<string, Set<string>>();
    shapes.set(String(fields["msg"]), byLanguage);
    const shape = byLanguage.get(String(fields["language"])) ?? new Set<string>();
    byLanguage.set(String(fields["language"]), shape);
    for (const [name, value] of Object.entries(fields)) shape.add(`${name}: ${typeof value}`);
  }
  for (const [message, byLanguage] of shapes) {
    const all = new Set([...byLanguage.values()].flatMap((shape) => [...shape]));
    for (const [language, shape] of byLanguage)
      for (const field of [...all].filter((one) => !shape.has(one)))
        differences.add(`"${message}" has no ${field} in ${language}`);
  }
  return [...differences].sort();
}
