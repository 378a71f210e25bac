// Subject filters as sets: tokens, `*` for any one of them, a last `>` for one or more.

/** Whether some subject matches both filters. */
export function overlaps(a: string, b: string): boolean {
  const [left, right] = [a.split("."), b.split(".")];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]];
    if (one === undefined || other === undefined) return false;
    if (one === ">" || other === ">") return true;
    if (one !== other && one !== "*" && other !== "*") return false;
  }
  return true;
}
