/** What the vector files share. Nothing here or beside it imports `src`: expectations are written
 * from docs/protocol.md, so that a mistake of the implementation cannot become a vector. */
import { createHash } from "node:crypto";

/** One vector file. */
export interface Vectors {
  description: string;
  cases: readonly ({ name: string } & Record<string, unknown>)[];
}

/** Lower-case hex of a SHA-256, of text as UTF-8. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
