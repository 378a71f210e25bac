/** A member in a process of its own, to be stopped: locks a row in its transaction, and commits when told to go on. */
import { createLog } from "../src/log.ts";
import { PostgresLedger } from "../src/ledger/postgres.ts";
import { codeOf, group, message, write } from "./postgres.ts";

const [databaseUrl = "", eventId = "", ackWaitMs = "1000"] = process.argv.slice(2);
const log = createLog({ ...group, workerId: "stopped", logLevel: "error" });
const options = { databaseUrl, ...group, workerId: "stopped", log };
const ledger = new PostgresLedger({ ...options, ackWaitMs: () => Number(ackWaitMs) });
const tx = ledger.transaction();
await tx.query("update stock set left_over = left_over - 1");
const resumed = new Promise((resolve) => process.once("SIGCONT", resolve));
console.log("locked");
// A handle of its own: a listener for a signal does not keep a process alive.
const alive = setInterval(() => {}, 1000);
await resumed;
console.log(`wrote: ${await codeOf(ledger.write(write(message({ eventId })), tx))}`);
await ledger.close();
clearInterval(alive);
