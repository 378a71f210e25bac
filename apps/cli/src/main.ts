// The CLI as a process.
import { run } from "./program.ts";

process.exitCode = await run(process.argv.slice(2), process.env);
