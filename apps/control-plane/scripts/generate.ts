/** Writes `schemas/group-file.json`, for editors. */
import { mkdirSync, writeFileSync } from "node:fs";
import { groupFileSchema } from "../src/groups/group-file.ts";

const folder = new URL("../schemas/", import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL("group-file.json", folder), `${JSON.stringify(groupFileSchema(), null, 2)}\n`);
