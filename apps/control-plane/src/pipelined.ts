// Work on many things, so many at a time.

/**
 * What `work` makes of the items, in their order, at most `atOnce` under way. After an error no other is begun; it is
 * thrown when those under way have ended.
 */
export async function pipelined<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  let fault: { error: unknown } | undefined;
  const next = async () => {
    for (const [i, item] of queue) {
      try {
        results[i] = await work(item);
      } catch (error) {
        fault ??= { error };
      }
      if (fault !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, next));
  if (fault !== undefined) throw fault.error;
  return results;
}
