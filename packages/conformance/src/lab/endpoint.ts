import { waitFor } from "./wait.ts";
import { Unsupported } from "../scenario.ts";
import type { Member } from "./member.ts";

/** What a member's port answered. */
export type Answer = { status: number; text: string; json: Record<string, unknown> };

/** A member's HTTP port. */
export type Endpoint = {
  get(path: string, method?: string): Promise<Answer>;
  /** Waits until the path answers with the status, and returns the answer. */
  answers(path: string, status: number): Promise<Answer>;
  /** Samples of /metrics by name, without the constant labels: `muster_held` or `muster_deliveries_total{outcome="done"}`. */
  metrics(): Promise<Map<string, number>>;
};

/** The environment that asks a member for its port. */
export const anyPort = { MUSTER_HTTP_PORT: "0" };

const constantLabels = ["stream", "group", "member", "language"];

/**
 * The port that the member's log names. Throws `Unsupported` when the member says that it has joined and
 * has not said that it listens, which comes before.
 */
export async function endpointOf(member: Member): Promise<Endpoint> {
  const line = await member.said(/"http_port"|"joined"|"spec missing"/);
  if (!line.includes('"http_port"'))
    throw new Unsupported("it does not say that it listens: no http_port in its log");
  const { http_port } = JSON.parse(line) as { http_port: number };
  const get = async (path: string, method = "GET"): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${http_port}${path}`, { method });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true && text !== "";
    return { status: response.status, text, json: isJson ? (JSON.parse(text) as Answer["json"]) : {} };
  };
  return {
    get,
    answers: (path, status) =>
      waitFor(`${path} of ${member.id} to answer ${status}`, async () => {
        const answer = await get(path);
        return answer.status === status ? answer : undefined;
      }),
    metrics: async () => readMetrics((await get("/metrics")).text),
  };
}

function readMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    const sample = /^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$/.exec(line);
    if (sample === null) continue;
    const [, name = "", labels = "", value = ""] = sample;
    const own = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)]
      .filter(([, label = ""]) => !constantLabels.includes(label))
      .map(([pair]) => pair);
    samples.set(own.length === 0 ? name : `${name}{${own.join(",")}}`, Number(value));
  }
  return samples;
}
