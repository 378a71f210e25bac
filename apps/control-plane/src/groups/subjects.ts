// Subject filters as sets: which covers which.

/** Whether every subject that `inner` matches is matched by `outer`. */
export function covers(outer: string, inner: string): boolean {
  const a = outer.split(".");
  const b = inner.split(".");
  for (const [i, token] of a.entries()) {
    const other = b[i];
    if (token === ">") return other !== undefined;
    if (other === undefined || other === ">") return false;
    if (token !== "*" && token !== other) return false;
  }
  return a.length === b.length;
}

/** Whether one of `filters` covers `subject`. */
export function isCovered(filters: readonly string[], subject: string): boolean {
  return filters.some((filter) => covers(filter, subject));
}

/** Whether the two lists hold the same subjects. */
export function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  const [a, b] = [new Set(left), new Set(right)];
  return a.size === b.size && [...a].every((subject) => b.has(subject));
}
