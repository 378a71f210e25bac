// What kustomize makes of infra/k8s, as objects.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { parseAllDocuments } from "yaml";
import { attempt } from "../live/programs.ts";

/** Where the manifests stand. */
export const k8sDir: string = join(checkoutRoot, "infra/k8s");

/** The part of a Kubernetes object that the tests read. */
export type Resource = {
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
};

type Probe = { httpGet: { path: string; port: string } };

/** A container of a Deployment. */
export type Container = {
  name: string;
  image: string;
  env?: { name: string; value?: string }[];
  envFrom?: { configMapRef: { name: string } }[];
  ports: { name: string; containerPort: number }[];
  startupProbe: Probe;
  livenessProbe: Probe;
  readinessProbe: Probe;
};

/** A Deployment's pods. */
export type PodSpec = { containers: Container[]; terminationGracePeriodSeconds: number };

/** Folders with something to apply: the base, and every overlay. */
export async function roots(): Promise<string[]> {
  const overlays = await readdir(join(k8sDir, "overlays"));
  return ["base", ...overlays.map((name) => `overlays/${name}`)];
}

/** The YAML that `kubectl apply -k` would send. */
export async function build(kustomize: string, root: string): Promise<string> {
  const { isGood, text } = await attempt(kustomize, ["build", join(k8sDir, root)]);
  if (!isGood) throw new Error(`kustomize build ${root}: ${text}`);
  return text;
}

/** The documents of a YAML text. */
export function resourcesOf(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Resource);
}

/** The Deployments among them, by name, with their pods and the variables that those get. */
export function deploymentsOf(
  resources: readonly Resource[],
): Map<string, PodSpec & { env: Record<string, string> }> {
  const maps = new Map(
    resources.filter(({ kind }) => kind === "ConfigMap").map((map) => [map.metadata.name, map.data]),
  );
  const found = resources.filter(({ kind }) => kind === "Deployment");
  return new Map(
    found.map(({ metadata, spec }) => {
      const pod = (spec as { template: { spec: PodSpec } }).template.spec;
      const [container] = pod.containers;
      const common = (container?.envFrom ?? []).map(({ configMapRef }) => maps.get(configMapRef.name));
      const own = (container?.env ?? []).map(({ name, value = "" }) => [name, value] as const);
      return [metadata.name, { ...pod, env: Object.assign({}, ...common, Object.fromEntries(own)) }];
    }),
  );
}
