// The base images: what the Dockerfiles and the compose file name.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { parse } from "yaml";

/** Folder of the compose file. */
export const composeFolder: string = join(checkoutRoot, "infra/compose");

/** A base image by its two halves, as in `golang:1.26.8`. */
export type Base = { name: string; tag: string };

/** Every base image, once; not those that are built here. */
export async function bases(): Promise<Base[]> {
  const images = join(composeFolder, "images");
  const files = (await readdir(images)).filter((file) => file.endsWith("Dockerfile"));
  const texts = await Promise.all(files.map((file) => readFile(join(images, file), "utf8")));
  const froms = texts.flatMap((text) => {
    const lines = [...text.matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)];
    const stages = new Set(["scratch", ...lines.map((line) => line[2])]);
    return lines.flatMap(([, from]) => (stages.has(from) ? [] : [from ?? ""]));
  });
  const { services } = parse(await readFile(join(composeFolder, "compose.yaml"), "utf8"), {
    merge: true,
  }) as {
    services: Record<string, { image: string; build?: unknown }>;
  };
  const pulled = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []));
  return [...new Set([...froms, ...pulled])].toSorted().map((image) => {
    const at = image.lastIndexOf(":");
    return { name: image.slice(0, at), tag: image.slice(at + 1) };
  });
}
