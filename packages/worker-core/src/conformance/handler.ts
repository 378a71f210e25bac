import { delay } from "../clock.ts";
import { PermanentError, RetryableError, Snooze } from "../errors.ts";
import type { BatchContext, BatchMessage } from "../batch.ts";
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
export async function conformanceHandler(body: unknown, context: Context): Promise<unknown> {
  const { verb, values } = readDirective(context.headers["Muster-Conformance"]);
  if (applies(values, context)) {
    const result = await obey(verb, values, context);
    if (result !== undefined) {
      return result;
    }
  }
  if (values["balance"] !== undefined) {
    await addToBalance(body as { customer: string; amount: number }, context);
  }
  return resultOf(context);
}

/** The same for several messages at once: each message's directive makes its outcome. */
export async function conformanceBatchHandler(
  messages: readonly BatchMessage<unknown>[],
  context: BatchContext,
): Promise<unknown[]> {
  return Promise.all(
    messages.map(async (message) => {
      try {
        // A message of a batch has all that a directive asks for, but for what the batch shares.
        const result = await conformanceHandler(message.value, withShared(message, context));
        return typeof result === "object" ? { ...result, batch: messages.length } : result;
      } catch (error) {
        return error;
      }
    }),
  );
}

function withShared(message: BatchMessage<unknown>, batch: BatchContext): Context {
  const { eventId, attempt, history, subject, headers, sequence, replayNumber, signal } = message;
  const { nats, log } = batch;
  return {
    eventId,
    attempt,
    history,
    subject,
    headers,
    sequence,
    replayNumber,
    signal,
    nats,
    log,
    // Asking for it is an error where there is none.
    get tx() {
      return batch.tx;
    },
  };
}

/** Whether it is one of the attempts, turns and replays that the verb is for. */
function applies(values: Readonly<Record<string, string>>, context: Context): boolean {
  const upTo = (name: string): number => Number(values[name] ?? Number.POSITIVE_INFINITY);
  return (
    context.attempt <= upTo("times") &&
    context.history.length < upTo("turns") &&
    context.replayNumber < upTo("replays")
  );
}

const addSql = `insert into muster_conformance_balances as b (customer, amount) values ($1, $2)
  on conflict (customer) do update set amount = b.amount + excluded.amount`;

async function addToBalance(order: { customer: string; amount: number }, { tx }: Context): Promise<void> {
  await tx.query(addSql, [order.customer, order.amount]);
}

const effectSql = "insert into muster_conformance_effects(event_id, member) values ($1, $2)";

async function addEffect({ tx, eventId }: Context): Promise<void> {
  await tx.query(effectSql, [eventId, process.env["WORKER_ID"] ?? ""]);
}

/** So many times more, whatever became of the times before; fails as the last one does. */
async function addAgain(context: Context, times: number): Promise<void> {
  for (let left = times; left > 1; left--) {
    await addEffect(context).catch(() => undefined);
  }
  if (times > 0) {
    await addEffect(context);
  }
}

function resultOf({ eventId: event_id, subject, attempt }: Context) {
  return { event_id, subject, attempt };
}

/** Does what the verb says; gives a result where the verb is about results. */
async function obey(
  verb: string,
  values: Readonly<Record<string, string>>,
  context: Context,
): Promise<unknown> {
  const text = values["text"] ?? verb;
  const delayMs = values["delay_ms"] === undefined ? undefined : Number(values["delay_ms"]);
  switch (verb) {
    case "return":
      return undefined;
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
    case "result":
      return resultOfBytes(Number(values["bytes"] ?? 0));
    case "sql":
      await addEffect(context);
      await delay(Number(values["ms"] ?? 0));
      return addAgain(context, Number(values["again"] ?? 0));
    default:
      throw new PermanentError(`unknown conformance verb ${verb}`);
  }
}

/** A result of so many bytes as compact JSON; -1: one that is no JSON. */
function resultOfBytes(bytes: number): unknown {
  return bytes < 0 ? Number.NaN : "x".repeat(Math.max(0, bytes - 2));
}
