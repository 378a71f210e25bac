import { type Language, languages, workerCommand } from "@muster/testkit";

/** The languages to test: `MUSTER_TEST_LANGS` (`ts,go`), else all three. */
export const chosenLanguages: readonly Language[] = choose(process.env["MUSTER_TEST_LANGS"]);

/** Why a language cannot be tested here; undefined when it can. */
export function missing(language: Language): string | undefined {
  try {
    workerCommand(language, { conformance: true });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function choose(value: string | undefined): Language[] {
  if (!value) return [...languages];
  const names = value.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !languages.some((language) => language === name));
  if (unknown.length > 0) throw new Error(`MUSTER_TEST_LANGS: ${unknown.join(", ")} is none of ${languages.join(", ")}`);
  return languages.filter((language) => names.includes(language));
}
