import { delay } from "../clock.ts";
import { PermanentError, RetryableError, Snooze } from "../errors.ts";
import type { Context } from "../handle.ts";

/** What the header `Muster-Conformance` tells the handler to do. */
export interface Directive {
  readonly verb: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Reads `<verb>[;key=value…]`; no header means `return`. */
export function readDirective(header: string | undefined): Directive {
  const [verb = "return", ...pairs] = (header || "return").split(";").map((part) => part.trim());
  const values: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals > 0) {
      values[pair.slice(0, equals)] = pair.slice(equals + 1);
    }
  }
  return { verb, values };
}

/** The conformance handler: obeys the message's directive. */
export async function conformanceHandler(_body: unknown, context: Context): Promise<unknown> {
  const { verb, values } = readDirective(context.headers["Muster-Conformance"]);
  const times = values["times"];
  if (times === undefined || context.attempt <= Number(times)) {
    await obey(verb, values, context);
  }
  return { event_id: context.eventId, subject: context.subject };
}

async function obey(verb: string, values: Readonly<Record<string, string>>, context: Context): Promise<void> {
  const text = values["text"] ?? verb;
  const delayMs = values["delay_ms"] === undefined ? undefined : Number(values["delay_ms"]);
  switch (verb) {
    case "return":
      return;
    case "permanent":
      throw new PermanentError(text);
    case "retryable":
      throw new RetryableError(text, delayMs === undefined ? {} : { delayMs });
    case "snooze":
      throw new Snooze(delayMs ?? 0);
    case "hang":
      await new Promise<void>((resolve) =>
        context.signal.addEventListener("abort", () => resolve(), { once: true }),
      );
      throw new Error(text);
    case "block":
      return delay(Number(values["ms"] ?? 0));
    case "exit":
      process.kill(process.pid, "SIGKILL");
      return new Promise(() => undefined);
    default:
      throw new PermanentError(`unknown conformance verb ${verb}`);
  }
}
