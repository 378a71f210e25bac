import { defineConfig } from "vitest/config";

// Each file starts servers or a whole fleet: one at a time is what two cores carry.
export default defineConfig({ test: { testTimeout: 300_000, hookTimeout: 300_000, maxWorkers: 1 } });
