// Starts an engine and says its pid, then waits to be killed: what a test that is killed leaves behind.
import { startEngine } from "./engine.ts";

const engine = await startEngine();
process.stdout.write(`engine ${engine.pid ?? "not ours"}\n`);
setInterval(() => undefined, 60_000);
