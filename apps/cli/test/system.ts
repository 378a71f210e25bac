// A server, a control plane on it, and the CLI as a user runs it.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { checkoutRoot as root, controlPlaneCommand, startNats, startProcess } from "@muster/testkit";

/** The group of most tests. */
export const spec = {
  v: 1,
  stream: "ORDERS",
  group: "billing",
  subjects: ["orders.>"],
  contracts: ["order.v1"],
};

/** What a command was told and said. */
export type Ran = { code: number | null; out: string; err: string };

/** The command line that starts the CLI, and a control plane. */
export const cliArgv = [process.execPath, join(root, "apps/cli/src/main.ts")];
export const planeArgv = controlPlaneCommand();

/** Starts NATS and a control plane; both end with the scope. */
export async function startSystem() {
  const server = await startNats();
  const env = { NATS_URL: server.url, MUSTER_PORT: "0", MUSTER_HOST: "", MUSTER_AUTH: "" };
  const controlPlane = startProcess("control-plane", planeArgv, env);
  const { url } = JSON.parse(await controlPlane.waitForLine(/"listening"/)) as { url: string };
  await controlPlane.waitForLine(/"connected"/);
  return {
    server,
    url,
    muster: musterAt(url),
    async [Symbol.asyncDispose]() {
      await controlPlane[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** Runs a command of the CLI against the control plane at an address. */
function musterAt(url: string) {
  return (args: string[], options: { input?: string; env?: Record<string, string> } = {}) =>
    new Promise<Ran>((resolve, reject) => {
      const [node = "", ...main] = cliArgv;
      const child = spawn(node, [...main, ...args], {
        env: { ...process.env, MUSTER_URL: url, MUSTER_TOKEN: "", ...options.env },
      });
      let [out, err] = ["", ""];
      child.stdout.on("data", (data) => (out += String(data)));
      child.stderr.on("data", (data) => (err += String(data)));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, out, err }));
      child.stdin.end(options.input ?? "");
    });
}
