// What plan and apply take: one group, or several, from one file.
import { CliError } from "../client.ts";
import { readDocuments } from "../input.ts";
import type { Input } from "../procedures.ts";

type One = Input<"groups.apply">;
type Many = Input<"groups.applyAll">;

/** What stands beside a spec in the file, as flags say it for every group of the file. */
export type Beside = Pick<One, "stream" | "adopt">;

/** The file's groups, as one of the two procedures takes them; the flags stand above the file. */
export async function inputOf(
  file: string,
  flags: Beside,
): Promise<{ type: "one"; input: One } | { type: "many"; input: Many }> {
  const documents = await readDocuments(file);
  const parts = documents.map((document) => entriesOf(document, file));
  const entries = parts.flatMap(({ entries: some }) => some).map((entry) => withFlags(entry, flags));
  if (entries.length === 0) throw new CliError(`${file} holds no spec`, 2);
  const [first] = entries;
  // The control plane checks it; what it refuses, it names.
  return entries.length === 1 && parts.every(({ isList }) => !isList)
    ? { type: "one", input: first as One }
    : { type: "many", input: { groups: entries } as Many };
}

type Entry = { spec: unknown; stream?: unknown; adopt?: unknown };

/** A document is a spec, `{"spec": …, "stream": …, "adopt": …}`, or such under `groups`. */
function entriesOf(document: unknown, file: string): { entries: Entry[]; isList: boolean } {
  if (!isObject(document)) throw new CliError(`${file} holds no spec`, 2);
  const { $schema: _, ...rest } = document;
  if (!Array.isArray(rest["groups"])) return { entries: [entryOf(rest)], isList: false };
  const { groups, ...others } = rest as { groups: unknown[] };
  if (Object.keys(others).length > 0)
    throw new CliError(
      `${file} has ${Object.keys(others).join(", ")} beside groups; put it into each group`,
      2,
    );
  return {
    entries: groups.map((entry) => {
      if (!isObject(entry)) throw new CliError(`${file} has something under groups that is no group`, 2);
      return entryOf(entry);
    }),
    isList: true,
  };
}

function entryOf(document: Record<string, unknown>): Entry {
  return typeof document["spec"] === "object" ? { ...document, spec: document["spec"] } : { spec: document };
}

function withFlags(entry: Entry, { stream: flags, adopt }: Beside): Entry {
  const stream = entry.stream ?? {};
  return {
    ...entry,
    ...(flags !== undefined && isObject(stream) ? { stream: { ...stream, ...flags } } : {}),
    ...(adopt === true ? { adopt } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
