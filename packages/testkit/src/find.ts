import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** The checkout this file stands in. */
export const checkoutRoot: string = resolve(import.meta.dirname, "../../..");

/** The nats-server to start: the launcher's choice (`MUSTER_NATS_SERVER`), its cache, else the PATH. */
export function findNatsServer(): string {
  const chosen = process.env["MUSTER_NATS_SERVER"];
  const folders = [join(checkoutRoot, ".muster/bin"), ...(process.env["PATH"] ?? "").split(delimiter)];
  const candidates = [...(chosen ? [chosen] : []), ...folders.map((folder) => join(folder, "nats-server"))];
  for (const file of candidates) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here: the next one
    }
  }
  throw new Error("nats-server not found: run ./muster doctor tools, it says how to get it");
}
