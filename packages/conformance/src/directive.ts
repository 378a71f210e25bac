/** What a directive may carry beside its verb. */
export interface DirectiveOptions {
  /** Obeyed in attempts up to this one; afterwards the handler returns. */
  times?: number;
  /** Error text. */
  text?: string;
  delayMs?: number;
  ms?: number;
}

export type Verb = "return" | "permanent" | "retryable" | "snooze" | "hang" | "block" | "exit";

/** The header `Muster-Conformance`, which tells the conformance worker's handler what to do. */
export function directive(verb: Verb, options: DirectiveOptions = {}): [string, string] {
  const { times, text, delayMs, ms } = options;
  const pairs: [string, string | number | undefined][] = [
    ["times", times],
    ["text", text],
    ["delay_ms", delayMs],
    ["ms", ms],
  ];
  const given = pairs.filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${value}`);
  return ["Muster-Conformance", [verb, ...given].join(";")];
}
