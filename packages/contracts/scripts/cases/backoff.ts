/** Delays after failed attempts, worked out by hand: b × (1 + jitter × (2r − 1)), rounded half up. */
import type { Vectors } from "./write.ts";

const usual = [1000, 5000, 30_000, 120_000];

const delay = (backoff_ms: number[], jitter: number, attempt: number, random: number, delay_ms: number) => ({
  name: `attempt ${attempt} of [${backoff_ms.join()}], jitter ${jitter}, random ${random}`,
  backoff_ms,
  jitter,
  attempt,
  random,
  delay_ms,
});

export const backoffVectors: Vectors = {
  description: "delay_ms of attempt (1-based); random stands for r",
  cases: [
    delay(usual, 0, 1, 0, 1000),
    delay(usual, 0, 1, 0.999, 1000),
    delay(usual, 0, 2, 0.5, 5000),
    delay(usual, 0, 3, 0.5, 30_000),
    delay(usual, 0, 4, 0.5, 120_000),
    delay(usual, 0, 5, 0.5, 120_000),
    delay(usual, 0, 1000, 0.5, 120_000),
    delay(usual, 0.2, 1, 0.5, 1000),
    delay(usual, 0.2, 1, 0, 800),
    delay(usual, 0.2, 1, 0.25, 900),
    delay(usual, 0.2, 1, 0.75, 1100),
    delay(usual, 0.2, 2, 0, 4000),
    delay(usual, 0.2, 2, 0.75, 5500),
    delay(usual, 0.2, 4, 0.999, 143_952),
    delay(usual, 0.2, 9, 0, 96_000),
    delay([250], 1, 1, 0, 0),
    delay([250], 1, 7, 0.5, 250),
    delay([250], 1, 7, 0.75, 375),
    delay([1], 0.5, 1, 0, 1),
    delay([1], 0.5, 1, 0.75, 1),
    delay([1], 1, 1, 0.125, 0),
    delay([3], 0.5, 1, 0, 2),
    delay([5], 0.5, 1, 0, 3),
    delay([2], 0.5, 1, 0.75, 3),
    delay([86_400_000], 0.2, 1, 0.125, 73_440_000),
  ],
};
