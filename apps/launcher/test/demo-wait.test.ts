import { describe, expect, it } from "vitest";
import { until, within } from "../src/demo/wait.ts";

const never = new AbortController().signal;
const nothing = Promise.withResolvers<never>().promise;

describe("waiting in the demo", () => {
  it("says what it waited for and what it saw", async () => {
    const wait = until("all members", async () => undefined, {
      signal: never,
      timeoutMs: 20,
      everyMs: 5,
      seen: () => "one of three",
    });
    await expect(wait).rejects.toThrow("waited 0.02 s for all members; seen: one of three");
  });

  it("tells the last error of its look", async () => {
    const look = async (): Promise<never> => Promise.reject(new Error("no answer"));
    await expect(until("an answer", look, { signal: never, timeoutMs: 20, everyMs: 5 })).rejects.toThrow(
      "no answer",
    );
  });

  it("ends at once, with the reason, when the demo is stopped", async () => {
    const stop = new AbortController();
    const waits = [
      until("something", async () => undefined, { signal: stop.signal, timeoutMs: 60_000 }),
      within("something", nothing, { signal: stop.signal, timeoutMs: 60_000 }),
    ];
    stop.abort(new Error("stopped by SIGINT"));
    for (const wait of waits) await expect(wait).rejects.toThrow("stopped by SIGINT");
  });

  it("ends when a promise takes too long, and gives its value when it does not", async () => {
    await expect(within("a promise", nothing, { signal: never, timeoutMs: 10 })).rejects.toThrow(
      "waited 0.01 s for a promise",
    );
    expect(await within("a promise", Promise.resolve(5), { signal: never, timeoutMs: 60_000 })).toBe(5);
  });
});
