// What plan and apply take: one group, or several, from one file.
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { readDocuments } from "../input.ts";
import { toNumber } from "./numbers.ts";

type One = Parameters<Client["groups"]["apply"]["mutate"]>[0];
type Many = Parameters<Client["groups"]["applyAll"]["mutate"]>[0];

/** The options of the commands that take a file. */
export type FileOptions = {
  file: string;
  retention?: string;
  maxAgeMs?: number;
  replicas?: number;
  storage?: string;
  adopt?: boolean;
};

/** Adds them to a command. */
export function withGroupFile(command: Command): Command {
  return command
    .requiredOption(
      "-f, --file <file>",
      "a group, or several under groups or as YAML documents, as YAML or JSON; - reads standard input",
    )
    .option("--retention <kind>", "of a new stream: workqueue, limits or interest")
    .option("--max-age-ms <n>", "drop messages older than this", toNumber)
    .option("--replicas <n>", "copies in a cluster", toNumber)
    .option("--storage <kind>", "of a new stream: file or memory")
    .option("--adopt", "change what others made to fit, and take it over; plan says what");
}

/** The file's groups, as one of the two procedures takes them; the flags stand above the file. */
export async function inputOf(
  options: FileOptions,
): Promise<{ type: "one"; input: One } | { type: "many"; input: Many }> {
  const documents = await readDocuments(options.file);
  const parts = documents.map((document) => entriesOf(document, options.file));
  const entries = parts.flatMap(({ entries: some }) => some).map((entry) => withFlags(entry, options));
  if (entries.length === 0) throw new CliError(`${options.file} holds no spec`, 2);
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

function withFlags(entry: Entry, { retention, maxAgeMs, replicas, storage, adopt }: FileOptions): Entry {
  const flags = {
    ...(retention === undefined ? {} : { retention }),
    ...(maxAgeMs === undefined ? {} : { max_age_ms: maxAgeMs }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(storage === undefined ? {} : { storage }),
  };
  const hasFlags = Object.keys(flags).length > 0;
  const stream = entry.stream ?? {};
  return {
    ...entry,
    ...(hasFlags && isObject(stream) ? { stream: { ...stream, ...flags } } : {}),
    ...(adopt === true ? { adopt } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
