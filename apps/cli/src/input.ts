// Documents from a file or from standard input.
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import { parseAllDocuments } from "yaml";
import { CliError } from "./client.ts";

/** The YAML documents in the file, or on standard input for `-`, those that hold nothing left out; JSON is YAML too. */
export async function readDocuments(file: string): Promise<unknown[]> {
  const name = file === "-" ? "standard input" : file;
  const source = await read(file, name);
  try {
    const documents = parseAllDocuments(source, { version: "1.2", schema: "core", prettyErrors: true });
    return [...documents].flatMap((document): unknown[] => {
      const [error] = document.errors;
      if (error !== undefined) throw error;
      // Aliases can make a small file a huge document; a group needs none.
      const value = document.toJS({ maxAliasCount: 0 }) as unknown;
      return value === null ? [] : [value];
    });
  } catch (error) {
    throw new CliError(`${name} is neither YAML nor JSON: ${(error as Error).message}`, 2);
  }
}

/** One JSON document, an array of them, or one a line. */
export async function readJsonItems(file: string): Promise<unknown[]> {
  const name = file === "-" ? "standard input" : file;
  const source = await read(file, name);
  try {
    const value = JSON.parse(source) as unknown;
    return Array.isArray(value) ? value : [value];
  } catch {
    return source
      .split("\n")
      .map((line, i) => [line.trim(), i + 1] as const)
      .filter(([line]) => line !== "")
      .map(([line, number]) => parseLine(line, `${name} line ${number}`));
  }
}

/** The bytes of a file, or of standard input for `-`, as text where they are UTF-8, else as base64. */
export async function readPayload(
  file: string,
): Promise<{ payload_text: string } | { payload_base64: string }> {
  const name = file === "-" ? "standard input" : file;
  try {
    const bytes = file === "-" ? await buffer(process.stdin) : await readFile(file);
    // A BOM stays: the contract refuses it, and nothing is sent that nobody wrote.
    return isUtf8(bytes)
      ? { payload_text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) }
      : { payload_base64: bytes.toString("base64") };
  } catch (error) {
    throw new CliError(`${name} cannot be read: ${(error as Error).message}`, 2);
  }
}

async function read(file: string, name: string): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new CliError(`${name} cannot be read: ${(error as Error).message}`, 2);
  }
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (error) {
    throw new CliError(`${where} is not JSON: ${(error as Error).message}`, 2);
  }
}
