// muster dlq list | count | totals | failures | show | export
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { type Format, print, printLine } from "../output.ts";
import { safeJson } from "../text.ts";
import { addWatch, show, type Watching } from "../watch.ts";
import { addFilters, type Filter, filterOf } from "./dlq-filters.ts";
import { counted, failures, page, totals, view } from "./dlq-views.ts";
import { toNumber } from "./numbers.ts";

/** How long an export waits when the control plane is still reading the stream. */
const BUILDING_MS = 500;

type Chosen = Filter & Watching & { archived?: boolean };
type ListOptions = Chosen & { newest?: boolean; cursor?: string; limit?: number };

/** Adds the commands that only look. */
export function addLooking(dlq: Command, client: () => Client, format: () => Format): void {
  const command = (name: string, what: string) =>
    addFilters(dlq.command(name).description(what).argument("<stream>")).option(
      "--archived",
      "those that were discarded",
    );

  addWatch(command("list", "dead letters, oldest first"))
    .option("--newest", "newest first")
    .option("--cursor <cursor>", "go on behind the page that gave it")
    .option("--limit <n>", "at most 500", toNumber)
    .action(async (stream: string, options: ListOptions) => {
      const { newest, cursor, limit } = options;
      const of = {
        ...selected(stream, options),
        ...(newest === true ? { order: "newest" as const } : {}),
        ...(cursor === undefined ? {} : { cursor }),
        ...(limit === undefined ? {} : { limit }),
      };
      await show(format(), options, () => client().deadLetters.list.query(of), {
        people: page,
        items: ({ items }) => items,
        more: ({ next_cursor: next }) => (next === undefined ? undefined : `--cursor ${next}`),
      });
    });

  addWatch(command("count", "how many there are")).action(async (stream: string, options: Chosen) => {
    const of = selected(stream, options);
    await show(format(), options, () => client().deadLetters.count.query(of), counted);
  });

  addWatch(dlq.command("totals"))
    .description("messages by group and reason, as the server counts them")
    .argument("<stream>")
    .option("--group <group>")
    .action(async (stream: string, { group, ...watching }: { group?: string } & Watching) => {
      const of = { stream, ...(group === undefined ? {} : { group }) };
      await show(format(), watching, () => client().deadLetters.totals.query(of), {
        people: totals,
        items: ({ groups }) => groups,
      });
    });

  addWatch(command("failures", "the same fault in any language as one, the most frequent first"))
    .option("--limit <n>", "at most 500; default 50", toNumber)
    .action(async (stream: string, options: Chosen & { limit?: number }) => {
      const limit = options.limit === undefined ? {} : { limit: options.limit };
      const of = { ...selected(stream, options), ...limit };
      await show(format(), options, () => client().deadLetters.failures.query(of), {
        people: failures,
        items: ({ items }) => items,
      });
    });

  dlq
    .command("show")
    .alias("get")
    .description("one dead letter: payload, headers, history, who replays it")
    .argument("<stream>")
    .argument("<id>")
    .option("--archived", "one that was discarded")
    .action(async (stream: string, id: string, options: { archived?: boolean }) =>
      print(format(), await client().deadLetters.get.query({ stream, id, ...options }), view),
    );

  command("export", "whole dead letters as JSON, one a line, oldest first, the body in base64").action(
    async (stream: string, options: Chosen) => {
      let cursor: string | undefined;
      do {
        const from = cursor === undefined ? {} : { cursor };
        const answer = await client().deadLetters.export.query({ ...selected(stream, options), ...from });
        for (const item of answer.items) await printLine(safeJson(item, 0));
        if (answer.items.length === 0 && answer.next_cursor !== undefined) await sleep(BUILDING_MS);
        cursor = answer.next_cursor;
      } while (cursor !== undefined);
    },
  );
}

function selected(stream: string, options: Chosen): Parameters<Client["deadLetters"]["count"]["query"]>[0] {
  return { stream, ...filterOf(options), ...(options.archived === true ? { archived: true } : {}) };
}
