import { defineConfig } from "vitest/config";

// Each end-to-end test starts a whole fleet: one file at a time is what two cores carry.
export default defineConfig({ test: { testTimeout: 240_000, hookTimeout: 60_000, maxWorkers: 1 } });
