import { controlPlaneCommand, type Proc, type ProcOptions, startProcess, waitFor } from "@muster/testkit";

/** A control plane as a child process, and where it listens. */
export type ControlPlane = Proc & { readonly url: string };

/** What `groups.apply` takes: a group file. */
export type GroupFile = { spec: { stream: string; group: string } };

/** Starts the control plane; returns when it listens and has reached NATS. `MUSTER_PORT` (4600) chooses the port. */
export async function startControlPlane(natsUrl: string, options: ProcOptions = {}): Promise<ControlPlane> {
  const proc = startProcess("control plane", controlPlaneCommand(), { NATS_URL: natsUrl }, options);
  try {
    const line = await proc.waitForLine((text) => text.includes('"listening"'), 20_000);
    const { url } = JSON.parse(line) as { url: string };
    const isReady = async (): Promise<boolean> => (await fetch(`${url}/readyz`)).ok;
    await waitFor(`NATS at ${natsUrl} to answer; is the address right, is a server running there?`, isReady);
    return { ...proc, url };
  } catch (error) {
    await proc[Symbol.asyncDispose]();
    throw error;
  }
}

/** Applies a group file through the control plane. */
export async function applyGroup(url: string, file: GroupFile): Promise<{ stream: string; group: string }> {
  const { stream, group } = file.spec;
  const body = JSON.stringify(file);
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/groups.apply`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`groups.apply answered ${response.status}: ${await response.text()}`);
  return { stream, group };
}

/** Applies a group file unless the group is there: what somebody changed in it stays. */
export async function ensureGroup(url: string, file: GroupFile): Promise<{ stream: string; group: string }> {
  const { stream, group } = file.spec;
  const input = encodeURIComponent(JSON.stringify({ stream, group }));
  const response = await fetch(`${url}/groups.get?input=${input}`);
  return response.ok ? { stream, group } : applyGroup(url, file);
}
