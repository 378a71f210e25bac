// The control plane as a process, asked as a program of a user would.
import { readFileSync } from "node:fs";
import { controlPlaneCommand, startProcess, waitFor } from "@muster/testkit";

/** A control plane that answers. */
export type Plane = {
  /** Milliseconds from the start of the process until it said that it is ready. */
  readonly readyMs: number;
  /** Resident memory in bytes. */
  memory(): number;
  get<T = unknown>(path: string): Promise<T>;
  send<T = unknown>(method: "POST" | "PUT", path: string, body: unknown): Promise<T>;
  /** The data of server-sent events, until `signal` aborts. */
  events(path: string, signal: AbortSignal, onData: (data: string) => void): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function startPlane(natsUrl: string): Promise<Plane> {
  const startedAt = performance.now();
  const process_ = startProcess("control-plane", controlPlaneCommand(), {
    NATS_URL: natsUrl,
    MUSTER_PORT: "0",
    MUSTER_AUTH: "off",
    LOG_LEVEL: "warn",
  });
  const line = await process_.waitForLine(/"listening"/, 60_000);
  const { url } = JSON.parse(line) as { url: string };
  await waitFor("the control plane to be ready", async () => (await fetch(`${url}/readyz`)).ok, {
    everyMs: 5,
  });
  const readyMs = performance.now() - startedAt;
  const ask = async <T>(path: string, init?: RequestInit): Promise<T> => {
    const answer = await fetch(url + path, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  };
  return {
    readyMs,
    memory: () =>
      1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process_.pid}/status`, "utf8"))?.[1]),
    get: (path) => ask(path),
    send: (method, path, body) =>
      ask(path, {
        method,
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    async events(path, signal, onData) {
      const answer = await fetch(url + path, { signal, headers: { accept: "text/event-stream" } });
      if (!answer.ok || answer.body === null) throw new Error(`${path}: ${answer.status}`);
      let rest = "";
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + part).split("\n");
        rest = lines.pop() ?? "";
        for (const text of lines) if (text.startsWith("data:")) onData(text.slice(5).trim());
      }
    },
    [Symbol.asyncDispose]: () => process_[Symbol.asyncDispose](),
  };
}
