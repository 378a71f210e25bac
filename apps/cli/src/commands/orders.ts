// muster orders publish | get
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { readJsonItems } from "../input.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { table } from "../table.ts";

type PublishInput = Parameters<Client["orders"]["publish"]["mutate"]>[0];
type Published = Awaited<ReturnType<Client["orders"]["publish"]["mutate"]>>;
type Order = Awaited<ReturnType<Client["orders"]["get"]["query"]>>;

// Below the control plane's body limit of 1 MiB.
const MAX_REQUEST_BYTES = 768 * 1024;
const MAX_ITEMS = 10_000;

/** Adds the commands for orders. */
export function addOrders(program: Command, client: () => Client, format: () => Format): void {
  const orders = program.command("orders").description("publish order events, see what became of them");

  orders
    .command("publish")
    .description("publish events; exit code 1 when one is not taken")
    .option(
      "-f, --file <file>",
      "orders as JSON (one, an array, or one a line), or {event, order, event_id}; - reads standard input",
    )
    .option("--event <event>", "created, updated or shipped", "created")
    .option("--stream <stream>", "refuse unless this stream takes them")
    .option("--event-id <id>", "instead of <order id>.<event>")
    .option("--id <id>", "the order's id")
    .option("--customer <customer>")
    .option("--amount <n>")
    .option("--status <status>", "pending, confirmed, shipped, delivered or cancelled", "pending")
    .option("--created-at <time>", "RFC 3339, UTC; now unless given")
    .action(async (options: PublishOptions) => {
      const answer = await publishAll(client(), await itemsOf(options), options.stream);
      print(format(), answer, { people: published, items: ({ outcomes }) => outcomes });
      if (answer.outcomes.some(({ outcome }) => outcome === "invalid" || outcome === "failed"))
        endWithFailure();
    });

  orders
    .command("get")
    .description("what became of an order's events in a group")
    .argument("<stream>")
    .argument("<group>")
    .argument("<id>", "the order's id")
    .action(async (stream: string, group: string, id: string) =>
      print(format(), await client().orders.get.query({ stream, group, id }), {
        people: order,
        items: ({ events }) => events,
      }),
    );
}

type PublishOptions = {
  file?: string;
  event: string;
  stream?: string;
  eventId?: string;
  id?: string;
  customer?: string;
  amount?: string;
  status: string;
  createdAt?: string;
};

type Item = PublishInput["orders"][number];

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

async function publishAll(client: Client, items: Item[], stream: string | undefined): Promise<Published> {
  const all: Published = { counts: {}, outcomes: [] };
  for (const orders of requests(items)) {
    const offset = all.outcomes.length;
    const answer = await client.orders.publish.mutate({
      orders,
      ...(stream === undefined ? {} : { stream }),
    });
    all.outcomes.push(...answer.outcomes.map((outcome) => ({ ...outcome, index: outcome.index + offset })));
    for (const [outcome, count] of Object.entries(answer.counts))
      all.counts[outcome] = (all.counts[outcome] ?? 0) + count;
  }
  return all;
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

function order({ events }: Order): string {
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
