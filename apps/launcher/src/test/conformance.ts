import { type Language, languages } from "@muster/testkit";
import { conformanceMain } from "../conformance.ts";
import type { Ready } from "../setup/index.ts";
import { type Count, type Suite, start } from "./suite.ts";

/** The conformance suite, once for each language; `MUSTER_TEST_LANGS` names some of them. */
export function conformanceSuites({ missing }: Ready): Suite[] {
  const asked = process.env["MUSTER_TEST_LANGS"]?.split(",") ?? languages;
  return languages
    .filter((language) => asked.includes(language))
    .map((language) => ({
      name: `conformance ${language}`,
      skip: language === "ts" ? undefined : missing[language],
      run: play(language),
    }));
}

/** Not there yet in these; what they do not support is printed. TypeScript is the reference. */
const incomplete: readonly Language[] = ["go", "py"];

type Report = { scenarios: { status: string }[] };

function play(language: Language): Suite["run"] {
  return async (show) => {
    const lenient = incomplete.includes(language) ? ["--allow-unsupported"] : [];
    const { code, text } = await start([process.execPath, conformanceMain, language, "--json", ...lenient]);
    const lines = text.trimEnd().split("\n");
    const scenarios = reported(lines.at(-1));
    const of = (...statuses: string[]): number =>
      scenarios.filter(({ status }) => statuses.includes(status)).length;
    const count: Count = { passed: of("pass"), failed: of("fail"), skipped: of("skipped", "unsupported") };
    if (code !== 0 && count.failed === 0) count.failed = Math.max(1, count.skipped);
    // All that is no pass, never hidden: the table's rows of what passed are of no interest here.
    if (count.failed > 0 || count.skipped > 0)
      show(
        lines
          .slice(0, -1)
          .filter((line) => !line.startsWith("pass "))
          .join("\n"),
      );
    return count;
  };
}

function reported(line: string | undefined): Report["scenarios"] {
  try {
    return (JSON.parse(line ?? "") as Report).scenarios;
  } catch {
    return [];
  }
}
