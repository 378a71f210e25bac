import { readdirSync } from "node:fs";

const contracts = "packages/contracts";
const go = "packages/worker-core-go";
const python = "packages/worker-core-py/src/muster_worker";

const migrations = readdirSync(new URL("../migrations/", import.meta.url)).flatMap((file) =>
  [`${go}/migrations`, `${python}/ledger/migrations`].map((folder): [copy: string, original: string] => [
    `${folder}/${file}`,
    `${contracts}/migrations/${file}`,
  ]),
);

/** Copy → original: a Go module and a wheel can hold only what lies in them. */
export const copies: Readonly<Record<string, string>> = {
  [`${go}/group-spec.json`]: `${contracts}/schemas/group-spec.json`,
  [`${python}/protocol/documents/attempts-record.json`]: `${contracts}/schemas/attempts-record.json`,
  [`${python}/protocol/documents/group-spec.json`]: `${contracts}/schemas/group-spec.json`,
  [`${python}/protocol/documents/ledger-row.json`]: `${contracts}/schemas/ledger-row.json`,
  ...Object.fromEntries(migrations),
};
