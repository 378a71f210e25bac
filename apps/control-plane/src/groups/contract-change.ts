// Whether a changed schema still takes every message that the one before it took: what lies in streams and
// dead-letter streams, and what publishers that do not know of the change still send.
import { isDeepStrictEqual } from "node:util";

type Schema = Record<string, unknown>;

/** Keywords that no verdict depends on: annotations, and formats, which the protocol makes annotations. */
const annotations = new Set(
  "$id $schema $comment title description default examples deprecated readOnly writeOnly format".split(" "),
);
/** A larger value takes less. */
const lower = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/** A smaller value takes less. */
const upper = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
const judged = new Set([
  ...lower,
  ...upper,
  ..."type enum const required properties additionalProperties items".split(" "),
]);

/**
 * Where `after` refuses what `before` took, in words with the place as a JSON pointer; empty: nowhere. A change of a
 * keyword that it cannot judge (`anyOf`, `pattern`, `$ref` …) counts as one; a field that gets a name does not, also
 * where unknown ones were taken.
 */
export function breakingChanges(before: unknown, after: unknown, at = ""): string[] {
  if (isDeepStrictEqual(before, after) || after === true) return [];
  if (before === true) return breakingChanges({}, after, at);
  if (!isSchema(before) || !isSchema(after)) return [`${place(at)} is another schema`];
  return [
    ...keywordChanges(before, after, at),
    ...boundChanges(before, after, at),
    ...propertyChanges(before, after, at),
    ...("items" in before || "items" in after
      ? breakingChanges(before["items"] ?? true, after["items"] ?? true, `${at}/items`)
      : []),
  ];
}

function keywordChanges(before: Schema, after: Schema, at: string): string[] {
  const found: string[] = [];
  const types = typesOf(after);
  const lost = typesOf(before)?.filter((type) => types !== undefined && !isAmong(type, types));
  if (lost !== undefined && lost.length > 0) found.push(`${place(at)} is no longer ${lost.join(" or ")}`);
  if (types !== undefined && typesOf(before) === undefined)
    found.push(`${place(at)} has to be ${types.join(" or ")} now`);
  const values = valuesOf(after);
  const gone = (valuesOf(before) ?? []).filter(
    (value) => values !== undefined && !values.some((one) => isDeepStrictEqual(one, value)),
  );
  if (gone.length > 0)
    found.push(`${place(at)} may no longer be ${gone.map((one) => JSON.stringify(one)).join(", ")}`);
  if (values !== undefined && valuesOf(before) === undefined)
    found.push(`${place(at)} is limited to certain values now`);
  const others = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const keyword of others) {
    const isLeftOut = !(keyword in after) && keyword !== "$defs" && keyword !== "$ref";
    if (annotations.has(keyword) || judged.has(keyword) || isLeftOut) continue;
    if (!isDeepStrictEqual(before[keyword], after[keyword]))
      found.push(`${place(at)} has another ${keyword}, which cannot be judged`);
  }
  return found;
}

function boundChanges(before: Schema, after: Schema, at: string): string[] {
  const isTighter = (keyword: string, isLess: boolean): boolean => {
    const [was, is] = [before[keyword], after[keyword]];
    if (is === undefined) return false;
    return typeof was !== "number" || typeof is !== "number" || (isLess ? is < was : is > was);
  };
  return [
    ...lower.filter((keyword) => isTighter(keyword, false)),
    ...upper.filter((keyword) => isTighter(keyword, true)),
  ].map((keyword) => `${place(at)} has ${keyword} ${shown(after[keyword])}, not ${shown(before[keyword])}`);
}

function propertyChanges(before: Schema, after: Schema, at: string): string[] {
  const [had, has] = [objectOf(before["properties"]), objectOf(after["properties"])];
  const required = listOf(after["required"]).filter((name) => !listOf(before["required"]).includes(name));
  const found = required.map((name) => `${place(`${at}/${name}`)} is required now`);
  const [restBefore, restAfter] = [
    before["additionalProperties"] ?? true,
    after["additionalProperties"] ?? true,
  ];
  // A field that had no name before was nobody's promise: naming it is how contracts grow.
  for (const [name, was] of Object.entries(had)) {
    const is = Object.hasOwn(has, name) ? has[name] : restAfter;
    const where = `${at}/${name}`;
    if (was === false) continue;
    found.push(...(is === false ? [`${place(where)} is refused now`] : breakingChanges(was, is, where)));
  }
  if (restBefore !== false && restAfter === false) found.push(`${place(at)} refuses unknown fields now`);
  else if (restBefore !== false) found.push(...breakingChanges(restBefore, restAfter, `${at}/*`));
  return found;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typesOf({ type }: Schema): string[] | undefined {
  if (typeof type === "string") return [type];
  return Array.isArray(type) ? type.map(String) : undefined;
}

/** An integer is a number too. */
function isAmong(type: string, types: readonly string[]): boolean {
  return types.includes(type) || (type === "integer" && types.includes("number"));
}

function valuesOf(schema: Schema): unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

function objectOf(value: unknown): Schema {
  return isSchema(value) ? value : {};
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function shown(value: unknown): string {
  return value === undefined ? "none" : JSON.stringify(value);
}

function place(at: string): string {
  return at === "" ? "the message" : at;
}
