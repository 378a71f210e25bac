// kustomize, kubectl-validate with its schemas of Kubernetes, and KEDA's definitions: by Go, at exact versions.
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { attempt } from "../live/programs.ts";

const versions = {
  kustomize: "sigs.k8s.io/kustomize/kustomize/v5@v5.8.2",
  "kubectl-validate": "sigs.k8s.io/kubectl-validate@v0.0.4",
};
const keda = "github.com/kedacore/keda/v2@v2.21.0";

/** What they are kept in between runs. */
const home = join(checkoutRoot, ".muster/k8s");

/** Where the tools are. */
export type Tools = { kustomize: string; validate: string; definitions: string };

/** Builds and fetches what is missing, which takes minutes the first time. Fails where it cannot. */
export async function bringTools(): Promise<Tools> {
  return {
    kustomize: await install("kustomize"),
    validate: await install("kubectl-validate"),
    definitions: await fetchDefinitions(),
  };
}

/**
 * The tools, or why they cannot be had here, for `describe.skipIf`. In CI they have to be had.
 */
export async function findTools(): Promise<{ tools?: Tools; missing?: string }> {
  try {
    return { tools: await bringTools() };
  } catch (error) {
    if (process.env["CI"]) throw error;
    return { missing: `skipped: ${String(error)}` };
  }
}

async function install(name: keyof typeof versions): Promise<string> {
  const bin = folderOf(versions[name]);
  const file = join(bin, name);
  if (existsSync(file)) return file;
  await whole(bin, async (folder) => {
    await go(["install", versions[name]], { GOBIN: folder, CGO_ENABLED: "0" });
  });
  return file;
}

/** KEDA's definition of a ScaledObject, as its module carries it. */
async function fetchDefinitions(): Promise<string> {
  const folder = folderOf(keda);
  if (existsSync(folder)) return folder;
  const { Dir: module } = JSON.parse(await go(["mod", "download", "-json", keda])) as { Dir: string };
  await whole(folder, async (into) => {
    await cp(join(module, "config/crd/bases/keda.sh_scaledobjects.yaml"), join(into, "scaledobjects.yaml"));
  });
  return folder;
}

function folderOf(module: string): string {
  return join(home, module.replaceAll("/", "_"));
}

/** A folder is there whole or not at all: what fills it may be killed. */
async function whole(folder: string, fill: (into: string) => Promise<void>): Promise<void> {
  await mkdir(home, { recursive: true });
  const scratch = await mkdtemp(join(home, "new-"));
  try {
    await fill(scratch);
    await rename(scratch, folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function go(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  await mkdir(home, { recursive: true });
  // Outside of our own modules, and with the Go that is here.
  const { isGood, text } = await attempt("go", args, {
    cwd: home,
    env: { GOWORK: "off", GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local", ...env },
  });
  if (!isGood)
    throw new Error(`go ${args.join(" ")} failed: ${text.trim().split("\n").slice(-3).join("; ")}`);
  return text;
}
