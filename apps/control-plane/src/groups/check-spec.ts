// What a spec must be before anything is made for it.
import {
  contractSchemas,
  type GroupSpec,
  protocolSchemas,
  replayFilter,
  specProblems,
} from "@muster/contracts";
import { fail } from "../errors.ts";

// What the server takes as a filter.
const LONGEST_SUBJECT = 512;

/** Throws with a code and a way out when the group cannot be run like this. */
export function checkSpec(spec: GroupSpec): void {
  const unknown = unknownFields(spec, protocolSchemas["group-spec"] ?? {});
  if (unknown.length > 0)
    throw fail(
      "unknown_field",
      `spec has unknown fields: ${unknown.join(", ")}; leave them out, or correct their names`,
    );
  const problems = specProblems(spec);
  if (problems.length > 0)
    throw fail(
      "bad_spec",
      `group ${spec.group} of stream ${spec.stream} cannot work: ${problems.join("; ")}`,
    );
  for (const contract of spec.contracts) checkContract(contract);
  checkSubjects(spec);
}

type Schema = { properties?: Record<string, Schema>; oneOf?: Schema[]; const?: unknown };

// Members ignore what they do not know, so a misspelt field would silently be its default.
function unknownFields(value: object, schema: Schema, path = ""): string[] {
  const properties = schema.oneOf?.find((one) => isMode(one, value))?.properties ?? schema.properties;
  if (properties === undefined) return [];
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known === undefined) return [`${path}${name}`];
    return typeof part === "object" && part !== null ? unknownFields(part, known, `${path}${name}.`) : [];
  });
}

function isMode({ properties }: Schema, value: object): boolean {
  return "mode" in value && properties?.["mode"]?.const === value.mode;
}

function checkContract(contract: string): void {
  if (Object.hasOwn(contractSchemas, contract)) return;
  throw fail(
    "unknown_contract",
    `contract ${contract} is unknown; known are ${Object.keys(contractSchemas).join(", ")}`,
  );
}

function checkSubjects(spec: GroupSpec): void {
  // A first token that can be anything would also take bucket writes, answers and the server's own.
  const theirs = spec.subjects.find((subject) => /^([$*>]|_INBOX([.]|$))/.test(subject));
  if (theirs !== undefined)
    throw fail(
      "bad_subject",
      `subject ${theirs} reaches into what belongs to NATS; begin it with a token of your own, such as orders.>`,
    );
  const longest =
    replayFilter(spec.stream, spec.group).length +
    Math.max(...spec.subjects.map((subject) => subject.length));
  if (longest > LONGEST_SUBJECT)
    throw fail(
      "bad_subject",
      `the subjects are too long: with the replay prefix ${longest} characters, ${LONGEST_SUBJECT} are the limit`,
    );
}
