import { defineConfig } from "vitest/config";

// Scenarios mostly wait for ack waits and backoffs, so several share a core; more would make them late.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    maxConcurrency: 4,
  },
});
