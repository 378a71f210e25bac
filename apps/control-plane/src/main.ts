// The control plane as a process.
import { MusterError } from "@muster/contracts";
import { readConfig } from "./config.ts";
import { createLog } from "./log.ts";
import { startControlPlane } from "./server.ts";

const read = readConfig(process.env);
if (!read.ok) {
  for (const problem of read.problems) process.stderr.write(`${problem}\n`);
  process.exit(2);
}
const log = createLog(read.config.logLevel);

try {
  const controlPlane = await startControlPlane(read.config, log);
  // Printed whatever the level is: scripts wait for this line.
  process.stdout.write(
    `${JSON.stringify({ level: "info", time: new Date().toISOString(), service: "control-plane", url: controlPlane.url, msg: "listening" })}\n`,
  );
  let isStopping = false;
  const stop = (signal: string) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    log.info({ signal }, "stopping");
    void controlPlane.close().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  if (!(error instanceof MusterError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
