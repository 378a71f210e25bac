import { defineConfig } from "vitest/config";

// Each end-to-end test starts a whole fleet, and waits for half of its time: two files at once are what two cores carry.
export default defineConfig({ test: { testTimeout: 240_000, hookTimeout: 60_000, maxWorkers: 2 } });
