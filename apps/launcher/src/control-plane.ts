import { join } from "node:path";
import { checkoutRoot, type Proc, startProcess } from "@muster/testkit";

/** A control plane as a child process, and where it listens. */
export type ControlPlane = Proc & { readonly url: string };

/** Starts the control plane; returns when it listens. `MUSTER_PORT` in `env` (default 4600) chooses the port. */
export async function startControlPlane(options: {
  natsUrl: string;
  env?: Record<string, string>;
  onLine?: (line: string) => void;
}): Promise<ControlPlane> {
  const main = join(checkoutRoot, "apps/control-plane/src/main.ts");
  const env = { NATS_URL: options.natsUrl, ...options.env };
  const watch = options.onLine === undefined ? {} : { onLine: options.onLine };
  const proc = startProcess("control plane", [process.execPath, main], env, watch);
  try {
    const line = await proc.waitForLine((text) => text.includes('"listening"'), 20_000);
    const { url } = JSON.parse(line) as { url: string };
    return { ...proc, url };
  } catch (error) {
    await proc[Symbol.asyncDispose]();
    throw error;
  }
}

/** Applies a group file through the control plane, and says which group it was. */
export async function applyGroup(
  url: string,
  input: { spec: { stream: string; group: string } },
): Promise<{ stream: string; group: string }> {
  const response = await fetch(`${url}/groups.apply`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
  });
  if (!response.ok) throw new Error(`groups.apply answered ${response.status}: ${await response.text()}`);
  return { stream: input.spec.stream, group: input.spec.group };
}
