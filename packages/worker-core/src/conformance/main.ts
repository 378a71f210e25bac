import { z } from "zod";
import { runWorker } from "../run.ts";
import type { Step } from "../ends.ts";
import { conformanceHandler } from "./handler.ts";

const killAt = process.env["MUSTER_CONFORMANCE_KILL_AT"];

await runWorker(z.unknown(), conformanceHandler, {
  onStep: (step: Step) => {
    if (step === killAt) {
      process.kill(process.pid, "SIGKILL");
    }
  },
});
