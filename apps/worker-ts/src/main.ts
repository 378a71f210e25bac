import { OrderV1 } from "@muster/contracts";
import { runWorker } from "@muster/worker-core";
import { createOrderHandler, readWorkMs } from "./handler.ts";

let workMs = 0;
try {
  workMs = readWorkMs(process.env["ORDER_WORK_MS"]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
await runWorker(OrderV1, createOrderHandler({ workMs }));
