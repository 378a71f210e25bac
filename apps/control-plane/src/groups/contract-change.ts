// Whether a changed schema still takes every message that the one before it took: what lies in streams and
// dead-letter streams, and what publishers that do not know of the change still send.
import { isDeepStrictEqual } from "node:util";

type Schema = Record<string, unknown>;

/** Keywords that no verdict depends on: annotations, and formats, which the protocol makes annotations. */
const annotations = new Set(
  "$comment title description default examples deprecated readOnly writeOnly format".split(" "),
);
/** Keywords that hold schemas, or lists, by names: a field may be called `title`. */
const byName = new Set(
  "properties patternProperties $defs definitions dependentSchemas dependentRequired dependencies".split(" "),
);
/** The dialect of a contract that names none. */
const DIALECT = "https://json-schema.org/draft/2020-12/schema";
/** A larger value takes less. */
const lower = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/** A smaller value takes less. */
const upper = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
const judged = new Set([
  ...lower,
  ...upper,
  ..."type enum const required properties additionalProperties items".split(" "),
]);
/** Without them others take less, or mean something else. */
const neverLeftOut = new Set("$schema $id $ref $defs patternProperties prefixItems minContains".split(" "));

/**
 * Where `after` refuses what `before` took, in words with the place as a JSON pointer; empty: nowhere. A change of a
 * keyword that it cannot judge (`anyOf`, `pattern`, `$ref` …) counts as one; a field that gets a name does not, also
 * where unknown ones were taken.
 */
export function breakingChanges(before: unknown, after: unknown): string[] {
  const both = [before, after];
  // What a relative reference means depends on the name of the document.
  const isNamed = both.some((schema) => hasKeyword(schema, (keyword) => /^\$.*ref$/i.test(keyword)));
  const [was, is] = [bare(before, isNamed), bare(after, isNamed)];
  if (!both.some((schema) => hasKeyword(schema, reachesFar))) return changes(was, is, "");
  return isDeepStrictEqual(was, is)
    ? []
    : [
        "the message has another schema, which cannot be judged: keywords elsewhere depend on the change (unevaluated…, or a reference that is not into #/$defs/)",
      ];
}

/** Whether what a keyword takes depends on others at any place. */
function reachesFar(keyword: string, value: unknown): boolean {
  if (keyword === "$ref") return typeof value !== "string" || !value.startsWith("#/$defs/");
  return /^(unevaluated|\$dynamic|\$recursive)/.test(keyword);
}

/** Whether a keyword is anywhere in it; fields of such names count too. */
function hasKeyword(schema: unknown, is: (keyword: string, value: unknown) => boolean): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  return Object.entries(schema).some(([keyword, value]) => is(keyword, value) || hasKeyword(value, is));
}

/** The schema without annotations. */
function bare(schema: unknown, isNamed: boolean): unknown {
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(strip);
    if (!isSchema(value)) return value;
    const isLeftOut = (keyword: string, of: unknown) =>
      annotations.has(keyword) ||
      (keyword === "$id" && !isNamed) ||
      (keyword === "$schema" && of === DIALECT);
    return Object.fromEntries(
      Object.entries(value)
        .filter(([keyword, of]) => !isLeftOut(keyword, of))
        .map(([keyword, of]) => [keyword, stripKeyword(keyword, of)]),
    );
  };
  const stripKeyword = (keyword: string, value: unknown): unknown => {
    if (keyword === "const" || keyword === "enum") return value;
    if (!byName.has(keyword) || !isSchema(value)) return strip(value);
    return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, strip(of)]));
  };
  return strip(schema);
}

/** As `breakingChanges`, of schemas without annotations. */
function changes(before: unknown, after: unknown, at: string): string[] {
  if (isDeepStrictEqual(before, after) || after === true) return [];
  if (before === true) return changes({}, after, at);
  if (!isSchema(before) || !isSchema(after)) return [`${place(at)} is another schema`];
  return [
    ...keywordChanges(before, after, at),
    ...boundChanges(before, after, at),
    ...propertyChanges(before, after, at),
    ...("items" in before || "items" in after
      ? changes(before["items"] ?? true, after["items"] ?? true, `${at}/items`)
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
    const isLeftOut = !(keyword in after) && !neverLeftOut.has(keyword);
    if (judged.has(keyword) || isLeftOut) continue;
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
    found.push(...(is === false ? [`${place(where)} is refused now`] : changes(was, is, where)));
  }
  if (restBefore !== false && restAfter === false) found.push(`${place(at)} refuses unknown fields now`);
  else if (restBefore !== false) found.push(...changes(restBefore, restAfter, `${at}/*`));
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
  const several: unknown[] | undefined = Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
  if (!("const" in schema)) return several;
  const one = schema["const"];
  return several === undefined || several.some((value) => isDeepStrictEqual(value, one)) ? [one] : [];
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
