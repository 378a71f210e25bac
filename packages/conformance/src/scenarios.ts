import type { Language } from "@muster/testkit";
import { afterAll, beforeAll, describe, test } from "vitest";
import { Group, type SpecChanges } from "./group.ts";
import { type Lab, openLab } from "./lab.ts";
import { chosenLanguages, missing } from "./languages.ts";

/** What a scenario gets: its own streams, on a server that others use too. */
export interface Stage {
  readonly language: Language;
  readonly lab: Lab;
  /** A group with its streams made, on the scenario's own stream. */
  group(changes?: SpecChanges): Promise<Group>;
  /** A group that is not provisioned yet; a name, or another language, where there are several. */
  newGroup(changes?: SpecChanges, place?: { name?: string; language?: Language }): Group;
}

export type Scenario = (sentence: string, run: (stage: Stage) => Promise<void>, timeoutMs?: number) => void;

/** `own`: each scenario has a server of its own, because it kills it or takes its buckets away. */
export interface ScenarioOptions {
  own?: { memberTtlMs?: number };
}

/** Runs each scenario once for every language, several at a time. */
export function scenarios(
  title: string,
  define: (scenario: Scenario, language: Language) => void,
  options: ScenarioOptions = {},
): void {
  describe(title, () => {
    let shared: Lab | undefined;
    if (!options.own) {
      beforeAll(async () => void (shared = await openLab()));
      afterAll(async () => shared?.[Symbol.asyncDispose]());
    }
    for (const language of chosenLanguages) {
      const reason = missing(language);
      define((sentence, run, timeoutMs) => {
        const name = `${language}: ${sentence}`;
        // In CI a language that is not set up fails: a green run must mean all of them.
        if (reason !== undefined && !process.env["CI"]) return test.skip(`${name} (${reason})`);
        return test.concurrent(name, { ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) }, async () => {
          await using own = options.own ? await openLab(options.own) : undefined;
          const lab = own ?? shared;
          if (!lab) throw new Error("there is no server");
          await play(run, lab, language);
        });
      }, language);
    }
  });
}

let count = 0;

async function play(run: (stage: Stage) => Promise<void>, lab: Lab, language: Language): Promise<void> {
  const groups: Group[] = [];
  const stream = `S${++count}_${language}`;
  const newGroup: Stage["newGroup"] = (changes, place) => {
    const group = new Group(lab, { language, stream, ...place }, changes);
    groups.push(group);
    return group;
  };
  try {
    await run({
      language,
      lab,
      newGroup,
      async group(changes) {
        const group = newGroup(changes);
        await group.provision();
        return group;
      },
    });
  } catch (error) {
    for (const group of groups) console.error(lastWords(group));
    throw error;
  } finally {
    for (const group of groups) await group.close();
  }
}

function lastWords(group: Group): string {
  const logs = group.members.map(({ proc }) => [`--- ${proc.name} in ${group.stream}`, ...proc.lines.slice(-25)].join("\n"));
  return logs.join("\n");
}
