import { defineConfig } from "vitest/config";

// Property tests take as long as the machine needs: the limit only ends what hangs.
export default defineConfig({ test: { testTimeout: 120_000 } });
