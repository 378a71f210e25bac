import { defineConfig } from "vitest/config";

// Each file starts a nats-server of its own; two at once are enough for a small machine.
export default defineConfig({ test: { testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 2 } });
