import { defineConfig } from "vitest/config";

// Each file starts a nats-server of its own; three at once keep two cores busy, for they wait a lot.
export default defineConfig({ test: { testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 3 } });
