import { type Language, languages, type Proc, startProcess, workerCommand } from "@muster/testkit";

/** The languages to prove: all, or those of `MUSTER_TEST_LANGS` (comma-separated). */
export const testLanguages: readonly Language[] = (() => {
  const chosen = process.env["MUSTER_TEST_LANGS"]?.split(",");
  return chosen === undefined ? languages : languages.filter((language) => chosen.includes(language));
})();

let count = 0;

/** Starts a conformance worker in a group. Its id is new unless `env` says otherwise. */
export function joinWorker(
  language: Language,
  at: { url: string; stream: string; group: string },
  env: Record<string, string> = {},
): Proc & { readonly id: string } {
  const command = workerCommand(language, { conformance: true });
  count += 1;
  const id = env["WORKER_ID"] ?? `${language}-${process.pid}-${count}`;
  const own = {
    NATS_URL: at.url,
    MUSTER_STREAM: at.stream,
    MUSTER_GROUP: at.group,
    MUSTER_HEARTBEAT_MS: "500",
    WORKER_ID: id,
  };
  return { ...startProcess(id, command.argv, { ...command.env, ...own, ...env }), id };
}
