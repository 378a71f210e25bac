import type { AppRouter } from "@muster/control-plane";
import { controlPlaneCommand } from "@muster/testkit";
import { createTRPCClient, httpLink } from "@trpc/client";
import type { Children } from "./children.ts";
import { type Patience, until } from "./wait.ts";

/** A running control plane: where it listens, and its procedures. */
export type ControlPlane = { readonly url: string; readonly api: ReturnType<typeof createApi> };

const START_MS = 20_000;

/** Starts the control plane on a free port, `more` in its environment, and returns when it listens and has reached NATS. */
export async function startControlPlane(
  children: Children,
  natsUrl: string,
  signal: AbortSignal,
  more: Record<string, string> = {},
): Promise<ControlPlane> {
  const env = { NATS_URL: natsUrl, MUSTER_HOST: "127.0.0.1", MUSTER_PORT: "0", LOG_LEVEL: "info", ...more };
  const { proc, logFile } = children.start("control-plane", controlPlaneCommand(), env);
  const patience: Patience = {
    signal,
    timeoutMs: START_MS,
    seen: () => `the last line of ${logFile}: ${proc.lines.at(-1) ?? "nothing"}`,
  };
  const line = await until(
    "the control plane to listen",
    async () => proc.lines.find((text) => text.includes('"listening"')),
    patience,
  );
  const { url } = JSON.parse(line) as { url: string };
  await until(
    "the control plane to reach NATS",
    async () => (await fetch(`${url}/readyz`)).ok || undefined,
    patience,
  );
  return controlPlaneAt(url);
}

/** The procedures of the control plane that listens there. */
export function controlPlaneAt(url: string): ControlPlane {
  return { url, api: createApi(url) };
}

function createApi(url: string) {
  return createTRPCClient<AppRouter>({ links: [httpLink({ url })] });
}
