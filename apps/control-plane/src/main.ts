// The control plane as a process; `create-token <name> <role> [file]` makes a token at NATS, for who has lost the first one.
import { MusterError } from "@muster/contracts";
import { readConfig } from "./config.ts";
import { createTokenAtNats } from "./access/create-token.ts";
import { createLog } from "./log.ts";
import { startControlPlane } from "./server.ts";

const read = readConfig(process.env);
if (!read.ok) {
  for (const problem of read.problems) process.stderr.write(`${problem}\n`);
  process.exit(2);
}
const log = createLog(read.config.logLevel);
// Asking again would help nobody, and would look like an outage.
const refuse = (why: string) => {
  process.stderr.write(`${why}\n`);
  process.exit(4);
};

try {
  if (process.argv[2] === "create-token")
    process.exit(await createTokenAtNats(read.config, log, process.argv.slice(3), refuse));
  const controlPlane = await startControlPlane(
    read.config,
    log,
    (token) => process.stderr.write(`first admin token, shown this once: ${token}\n`),
    refuse,
  );
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
