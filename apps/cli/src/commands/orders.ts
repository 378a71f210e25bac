// What the commands for orders have beyond their procedures.
import type { Command } from "commander";
import { CliError } from "../client.ts";
import { readJsonItems } from "../input.ts";
import { endWithFailure, print } from "../output.ts";
import type { Answer, Input } from "../procedures.ts";
import type { Refinements, Run } from "../refinement.ts";
import { table } from "../table.ts";

type Published = Answer<"orders.publish">;

// Below the control plane's body limit of 1 MiB.
const MAX_REQUEST_BYTES = 768 * 1024;
const MAX_ITEMS = 10_000;

/** `muster orders …`. */
export const orders: Refinements = {
  "orders.publish": {
    note: "Exit code 1 when one is not taken",
    // Too many for the command line; they come from a file, or one by its parts.
    flags: { orders: false },
    extend,
    action: publish,
  },
  "orders.get": { told: { people: order, items: ({ events }) => events } },
};

function extend(command: Command): void {
  command
    .option(
      "-f, --file <file>",
      "orders as JSON (one, an array, or one a line), or {event, order, event_id}; - reads standard input",
    )
    .option("--event <event>", "created, updated or shipped", "created")
    .option("--event-id <id>", "instead of <order id>.<event>")
    .option("--id <id>", "the order's id")
    .option("--customer <customer>", "whose order it is")
    .option("--amount <n>", "what it comes to")
    .option("--status <status>", "pending, confirmed, shipped, delivered or cancelled", "pending")
    .option("--created-at <time>", "RFC 3339, UTC; now unless given");
}

async function publish({ format, input, options, call }: Run<"orders.publish">): Promise<void> {
  const all: Published = { counts: {}, outcomes: [] };
  for (const some of requests(await itemsOf(options as PublishOptions))) {
    const offset = all.outcomes.length;
    const answer = await call({ ...input, orders: some });
    all.outcomes.push(...answer.outcomes.map((outcome) => ({ ...outcome, index: outcome.index + offset })));
    for (const [outcome, count] of Object.entries(answer.counts))
      all.counts[outcome] = (all.counts[outcome] ?? 0) + count;
  }
  print(format, all, { people: published, items: ({ outcomes }) => outcomes });
  if (all.outcomes.some(({ outcome }) => outcome === "invalid" || outcome === "failed")) endWithFailure();
}

type PublishOptions = {
  file?: string;
  event: string;
  eventId?: string;
  id?: string;
  customer?: string;
  amount?: string;
  status: string;
  createdAt?: string;
};

type Item = Input<"orders.publish">["orders"][number];

async function itemsOf(options: PublishOptions): Promise<Item[]> {
  const event = options.event as Item["event"];
  const eventId = options.eventId === undefined ? {} : { event_id: options.eventId };
  if (options.file === undefined) {
    if (options.id === undefined || options.customer === undefined || options.amount === undefined) {
      throw new CliError("give --id, --customer and --amount, or -f with the orders", 2);
    }
    const amount = Number(options.amount);
    if (options.amount.trim() === "" || !Number.isFinite(amount))
      throw new CliError(`--amount ${options.amount} is no number`, 2);
    const { id, customer, status, createdAt = new Date().toISOString() } = options;
    return [{ event, order: { id, customer, amount, status, created_at: createdAt }, ...eventId }];
  }
  const documents = await readJsonItems(options.file);
  if (documents.length === 0) throw new CliError(`${options.file} holds no orders`, 2);
  return documents.map((document) => (isItem(document) ? document : { event, order: document, ...eventId }));
}

function isItem(document: unknown): document is Item {
  return typeof document === "object" && document !== null && "order" in document && "event" in document;
}

function* requests(items: Item[]): Generator<Item[]> {
  let some: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (some.length > 0 && (bytes + size > MAX_REQUEST_BYTES || some.length === MAX_ITEMS)) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(item);
    bytes += size;
  }
  if (some.length > 0) yield some;
}

function published({ counts, outcomes }: Published): string {
  const bad = outcomes.filter((item) => "code" in item);
  const total = Object.entries(counts)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");
  if (bad.length === 0 && outcomes.length > 20) return total;
  const shown = outcomes.length > 20 ? bad.slice(0, 100) : outcomes;
  const rows = shown.map((item) => [
    item.index,
    item.event_id ?? "",
    item.outcome,
    "seq" in item ? item.stream : "",
    "seq" in item ? item.seq : "",
    "error" in item ? `${item.code}: ${item.error}` : "",
  ]);
  return `${table(["item", "event id", "outcome", "stream", "seq", "why"], rows)}\n\n${total}`;
}

function order({ events }: Answer<"orders.get">): string {
  return table(
    ["event", "event id", "status", "by", "at", "messages", "result or reason"],
    events.map((event) => [
      event.event,
      event.event_id,
      event.status === "none" ? "not settled" : event.status,
      [event.language, event.member].filter(Boolean).join(" "),
      event.at,
      event.messages ?? "",
      event.status === "dead" ? `${event.reason}: ${event.error}` : JSON.stringify(event.result),
    ]),
  );
}
