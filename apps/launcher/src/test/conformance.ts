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

type Report = { scenarios: { status: string }[] };

function play(language: Language): Suite["run"] {
  return async (show) => {
    const { code, text } = await start([process.execPath, conformanceMain, language, "--json"]);
    const lines = text.trimEnd().split("\n");
    const scenarios = reported(lines.at(-1));
    const passed = scenarios.filter(({ status }) => status === "pass").length;
    const others = scenarios.length - passed;
    const isGood = code === 0;
    // Never hidden: what is no pass, and what passed only when it was played again.
    const told = lines
      .slice(0, -1)
      .filter((line) => !line.startsWith("pass ") || line.includes("(played twice"));
    if (!isGood || others > 0 || told.some((line) => line.startsWith("pass "))) show(told.join("\n"));
    const count: Count = { passed, failed: isGood ? 0 : Math.max(1, others), skipped: isGood ? others : 0 };
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
