// One text for one fault: what differs from letter to letter, and from language to language, taken out.
import { hash } from "node:crypto";
import { headerText } from "@muster/contracts";

// The protocol's own text of what fails a contract, alike in all languages: the contract and the place say what is wrong.
const byContract = /^does not match \S+ at \//;

/** Characters of class and message that are looked at; what a message adds behind them makes no other fault. */
export const MAX_ERROR = 256;

/**
 * The message (the class, where there is none) in lower case, with `#` for what is quoted, URLs, paths and words that
 * hold a digit (numbers, ids, hex, addresses). The class is no part of it: languages name their errors differently.
 */
export function normalError(errorClass: string, error: string): string {
  const text = decoded((error || errorClass).slice(0, MAX_ERROR)).toLowerCase();
  if (byContract.test(text)) return text.replace(/\/\d+(?=\/|$)/g, "/#");
  return text
    .replace(/(?<![\p{L}\p{N}])(["'`])(?:\\.|(?!\1)[^\\])*\1(?![\p{L}\p{N}])/gu, "#")
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s,;)\]}]+/g, "#")
    .replace(/(?<![\p{L}\p{N}.])(?:[a-z]:)?(?:[/\\][^\s/\\:,;()[\]{}]+){2,}[/\\]?/gu, "#")
    .replace(/[\p{L}\p{N}_-]*\p{N}[\p{L}\p{N}_-]*/gu, "#")
    .replace(/#(?:[.:]#)+/g, "#")
    .replace(/\s+/g, " ")
    .replace(/^ | ?[.!]* ?$/g, "");
}

/** 16 hex characters that are the same for the same fault, whatever the language, group and reason. */
export function fingerprintOf(errorClass: string, error: string): string {
  return hash("sha256", normalError(errorClass, error), "hex").slice(0, 16);
}

/** Text as it is searched: lower case, and the same whether it is written out or as header text. */
export function searchable(text: string): string {
  return /[^ -~]|\\u/.test(text)
    ? headerText(decoded(text).toLowerCase(), Number.POSITIVE_INFINITY)
    : text.toLowerCase();
}

// Header text has what is not ASCII as \uXXXX; as such it would look like a word with digits.
function decoded(text: string): string {
  return text.replace(/\\u([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
