import { setUp } from "./setup/index.ts";
import { SetupError, say } from "./setup/tools.ts";

const help = `Usage: ./muster <command>

  demo            the main job on an embedded NATS: publish, kill, dead-letter, replay, account (--help)
  test [suite…]   the everyday tests, or the named suites (infra, compose: what runs them; all: every one)
  up              NATS, control plane and one worker of each language until Ctrl-C
  dev             the same fleet, reloading on change (pnpm turbo dev)
  worker ts|go|py run one worker with the environment given (--conformance: the one the scenarios use)
  conformance ts|go|py   the scenarios of the worker protocol against a worker (--help; or -- <any command>)
  generate        schemas, vectors, and the types of Go and Python, from the contracts (--check: tell what differs)
  fleet kv|postgres      a mixed fleet under kills, stops and failures, and its account (--help)
  bench [name]    benchmarks against the raw client (default: core; --lang ts|go|py)
  doctor tools    versions found, and how to mend what is missing
  groups, orders, dlq, verify …   the control plane's commands (./muster groups --help)
`;

const [command = "help", ...args] = process.argv.slice(2);

// `./muster … | head`: the rest goes unread, which is no failure of the command.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

/** Commands that explain themselves; of the others the list says it all. */
const explained = ["demo", "resolve", "conformance", "fleet"];

async function main(): Promise<number> {
  if (!explained.includes(command) && args.some((word) => word === "--help" || word === "-h")) {
    process.stdout.write(help);
    return 0;
  }
  switch (command) {
    case "help":
    case "-h":
    case "--help":
      process.stdout.write(help);
      return 0;
    case "setup":
      setUp({ nats: true, go: true, py: true });
      return 0;
    case "demo": {
      const { missing } = setUp(args.includes("--help") ? {} : { nats: true, go: true, py: true });
      return (await import("./demo/main.ts")).demo(args, missing);
    }
    // Set-up comes before the import: what is imported needs the packages that it brings.
    case "test": {
      const ready = setUp({ nats: true, go: true, py: true });
      return (await import("./test/run.ts")).test(args, ready);
    }
    case "up": {
      const ready = setUp({ nats: true, go: true, py: true });
      return (await import("./up.ts")).up(args, ready);
    }
    case "dev":
      setUp({ nats: true, go: true, py: true });
      return (await import("./dev.ts")).dev();
    case "generate":
      setUp({});
      return (await import("./generate.ts")).generate(args);
    case "bench":
      setUp({ nats: true });
      return (await import("./bench.ts")).bench(args);
    case "conformance":
      return (await import("./conformance.ts")).conformance(args);
    case "fleet": {
      const { missing } = setUp(args.includes("--help") ? {} : { nats: true, go: true, py: true });
      return Object.keys(missing).length > 0 ? 1 : (await import("./fleet/main.ts")).fleet(args);
    }
    case "doctor":
      return (await import("./doctor.ts")).doctorTools();
    case "resolve":
      return (await import("./resolve.ts")).resolveProgram(args);
    default:
      say(`unknown command ${JSON.stringify(command)}; ./muster help lists them`);
      return 2;
  }
}

/** The message and its causes; the stack is for those who look for a fault in Muster itself. */
function tell(error: unknown): void {
  if (!(error instanceof SetupError) && process.env["LOG_LEVEL"] === "debug") console.error(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) say(cause.message);
  if (!(error instanceof Error)) say(String(error));
}

try {
  process.exitCode = await main();
} catch (error) {
  tell(error);
  process.exitCode = 1;
}
