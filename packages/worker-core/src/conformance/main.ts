import { z } from "zod";
import { runWorker } from "../run.ts";
import type { Step } from "../ends.ts";
import { conformanceBatchHandler, conformanceHandler } from "./handler.ts";

const killAt = process.env["MUSTER_CONFORMANCE_KILL_AT"];
const onStep = (step: Step): void => {
  if (step === killAt) {
    process.kill(process.pid, "SIGKILL");
  }
};

if (process.env["MUSTER_CONFORMANCE_HANDLER"] === "batch") {
  await runWorker(z.unknown(), { batchHandler: conformanceBatchHandler }, { onStep });
} else {
  await runWorker(z.unknown(), conformanceHandler, { onStep });
}
