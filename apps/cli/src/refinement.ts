// What a command has beyond its procedure: a schema does not say how an answer is told, or when to ask first.
import type { Command } from "commander";
import type { Client } from "./client.ts";
import type { Format, Told } from "./output.ts";
import type { Answer, Input, ProcedurePath } from "./procedures.ts";

/** One run of a command. */
export type Run<P extends ProcedurePath> = {
  /** What arguments and flags said. */
  input: Input<P>;
  /** All flags by their names in camel case, those of `extend` too. */
  options: Readonly<Record<string, unknown>>;
  format: Format;
  client: Client;
  /** The procedure. */
  call: (input: Input<P>) => Promise<Answer<P>>;
};

/** Everything in it is optional: a procedure without one is a command, too. */
export type Refinement<P extends ProcedurePath = ProcedurePath> = {
  /** The command's words; default: the procedure's names. */
  words?: string;
  alias?: string;
  /** Instead of the summary that the REST interface has. */
  summary?: string;
  /** Further sentences of the help, instead of what only those who call the REST interface want to know. */
  note?: string;
  /** Required fields that are arguments, though no path of the REST interface names them. */
  args?: readonly string[];
  /** Other names of flags, see `fieldsOf`. */
  flags?: Readonly<Record<string, string | false>>;
  /** Adds flags that the procedure does not have. */
  extend?: (command: Command) => void;
  /** Whether it takes `--watch`; default: what looks, does. */
  isWatched?: boolean;
  /** How the answer is told; default: as tables and lists of what is in it. */
  told?: Told<Answer<P>> | Told<Answer<P>>["people"];
  /** Checks and completes the input, and asks where something would be lost. */
  prepare?: (run: Run<P>) => Input<P> | Promise<Input<P>>;
  /** Whether the answer ends the command with exit code 1. */
  isFailure?: (answer: Answer<P>, options: Run<P>["options"]) => boolean;
  /** Instead of one call and its answer. */
  action?: (run: Run<P>) => Promise<void>;
};

/** The refinements by procedure. A text: the command that calls this procedure, too. */
export type Refinements = { readonly [P in ProcedurePath]?: Refinement<P> | string };
