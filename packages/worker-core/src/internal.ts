/** Parts of the core for its benchmarks; nothing here is promised to stay. */
export { closeBase, openBase } from "./base.ts";
export { Ends } from "./ends.ts";
export { Events } from "./events.ts";
export { NoLedger } from "./ledger/none.ts";
export { Metrics } from "./metrics.ts";
export { openMode } from "./mode.ts";
export { openConnection } from "./open-connection.ts";
export { Stats } from "./stats.ts";
