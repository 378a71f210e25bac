/** Handlers per second that timers alone would allow: so many at once, each of so many milliseconds. */
export async function runTimers(messages: number, concurrency: number, workMs: number): Promise<number> {
  let left = messages;
  const startedAt = performance.now();
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await new Promise((resolve) => setTimeout(resolve, workMs));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return (1000 * messages) / (performance.now() - startedAt);
}
