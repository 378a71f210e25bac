import { defineConfig } from "vitest/config";

// Each file starts a server and several workers: two files at a time are what two cores carry.
export default defineConfig({
  test: {
    testTimeout: 90_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    sequence: { concurrent: true },
    maxConcurrency: 3,
  },
});
