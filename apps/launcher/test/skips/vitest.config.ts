import { defineConfig } from "vitest/config";

// Run by ../suites.test.ts alone.
export default defineConfig({ test: { include: ["skips.ts"] } });
