// Makes commands of procedures: words, arguments, flags and help from the schema, the rest from a refinement.
import { type Command, Option } from "commander";
import type { Client } from "./client.ts";
import { type Field, fieldsOf, kebab } from "./fields.ts";
import { inputOf } from "./input-of.ts";
import type { Format } from "./output.ts";
import type { Input, Procedure, ProcedurePath, Schema } from "./procedures.ts";
import type { Refinement, Refinements } from "./refinement.ts";
import { perform } from "./perform.ts";
import { limitsOf, placeholderOf, valueOf } from "./values.ts";
import { addWatch } from "./watch.ts";

/** What commands need when they run. */
export type Context = { client: () => Client; format: () => Format };

/** Adds a command for each procedure. Throws where a refinement means a field that there is not, or a flag has two meanings. */
export function addCommands(
  program: Command,
  procedures: readonly Procedure[],
  refinements: Refinements,
  context: Context,
): void {
  for (const procedure of procedures) {
    const refinement = refinements[procedure.path] ?? {};
    if (typeof refinement !== "string") addCommand(program, procedure, refinement as Refinement, context);
  }
}

const made = new WeakMap<Command, Procedure>();

/** The procedure that a command was made of. */
export function procedureOf(command: Command): Procedure | undefined {
  return made.get(command);
}

function addCommand<P extends ProcedurePath>(
  program: Command,
  procedure: Procedure & { path: P },
  refinement: Refinement<P>,
  context: Context,
): void {
  const words = (refinement.words ?? procedure.path.split(".").map(kebab).join(" ")).split(" ");
  const parent = words.slice(0, -1).reduce(childOf, program);
  const { summary = procedure.summary, note = procedure.description } = refinement;
  const command = parent
    .command(words.at(-1) ?? "")
    .summary(lower(summary))
    .description([lower(summary), note?.replace(/[.]$/, "")].filter(Boolean).join(". "));
  made.set(command, procedure);
  if (refinement.alias !== undefined) command.alias(refinement.alias);
  const { fields, inner } = fieldsOf(procedure, refinement.flags);
  const named = argumentsOf(procedure, refinement, fields);
  for (const { field, isOptional } of named)
    command.argument(isOptional ? `[${field.name}]` : `<${field.name}>`, describe(field.schema));
  const flags = fields
    .filter((field) => !named.some((one) => one.field === field))
    .map((field) => ({ field, option: optionOf(field) }));
  for (const { option } of flags) command.addOption(option);
  refinement.extend?.(command);
  command.addHelpText("after", `\nCalls ${procedure.path}; needs role ${procedure.role ?? "none"}.`);
  const isWatched = refinement.isWatched ?? (procedure.type === "query" && refinement.action === undefined);
  if (isWatched) addWatch(command);
  command.action(async (...given: unknown[]) => {
    const options = command.opts<Record<string, unknown>>();
    const values = new Map<Field, unknown>([
      ...named.map(({ field }, i) => [field, argumentOf(given[i], field)] as const),
      ...flags.map(({ field, option }) => [field, options[option.attributeName()]] as const),
    ]);
    const input = (procedure.input === undefined ? undefined : inputOf(values, inner)) as Input<P>;
    const client = context.client();
    await perform(procedure, refinement, { input, options, client, format: context.format() });
  });
}

function childOf(parent: Command, word: string): Command {
  return parent.commands.find((command) => command.name() === word) ?? parent.command(word);
}

/** The fields that are arguments, in order. */
function argumentsOf(
  { path, names }: Procedure,
  { args = [] }: Pick<Refinement, "args">,
  fields: readonly Field[],
): { field: Field; isOptional: boolean }[] {
  return [...names, ...args.map((name) => ({ name, is_optional: undefined }))].map(
    ({ name, is_optional }) => {
      const field = fields.find(({ at }) => at.length === 1 && at[0] === name);
      if (field === undefined) throw new Error(`${path} has no field ${name} to be an argument`);
      return { field, isOptional: is_optional === true };
    },
  );
}

function argumentOf(text: unknown, { schema, name }: Field): unknown {
  return typeof text === "string" ? valueOf(text, schema, name) : undefined;
}

/** Flags that every command has. */
const taken = ["output", "help"];

function optionOf({ name, schema, isRequired }: Field): Option {
  if (taken.includes(name)) throw new Error(`--${name} means something else; give the flag another name`);
  const { type, items, enum: choices } = schema;
  if (type === "boolean") return new Option(`--${name}`, describe(schema));
  const isList = type === "array" && items !== undefined && items.type === "string";
  const one = isList ? items : schema;
  const flag = `--${name}`;
  const option = new Option(`${flag} <${placeholderOf(one, name)}>`, describe(schema));
  if (choices !== undefined) option.choices(choices);
  else if (isList)
    option.argParser<unknown[] | undefined>((text, before) => [...(before ?? []), valueOf(text, one, flag)]);
  else option.argParser((text) => valueOf(text, schema, flag));
  return isRequired ? option.makeOptionMandatory() : option;
}

function describe(schema: Schema): string {
  return `${lower(schema.description ?? "")}${limitsOf(schema)}`.trim();
}

/** As the help of commands is written; what begins with an abbreviation or a name stays. */
function lower(text: string): string {
  return /^[A-Z][a-z ']/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
