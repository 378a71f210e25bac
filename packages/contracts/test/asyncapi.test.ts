/** The AsyncAPI document: a validator takes it, and would not take just anything. */
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { describe, expect, it } from "vitest";
import { contractSchemas, createVerdict, protocolSchemas } from "../src/index.ts";

interface Message {
  payload: object;
  headers?: object;
  examples?: { payload: unknown; headers?: unknown }[];
}
interface Components {
  schemas: Record<string, object>;
  messages: Record<string, Message>;
}

const text = readFileSync(new URL("../asyncapi/asyncapi.json", import.meta.url), "utf8");
const protocol = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");

/** What the validator finds, but for its advice to write a newer version of AsyncAPI. */
async function problemsOf(document: string): Promise<string[]> {
  const { diagnostics } = await new Parser().parse(document);
  return diagnostics
    .filter(({ code }) => code !== "asyncapi-latest-version")
    .map(({ code, message, path }) => `${code} at ${path.join(".")}: ${message}`);
}

const { components } = JSON.parse(text) as { components: Components };

describe("the AsyncAPI document", () => {
  it("is valid, without a warning", async () => {
    expect(await problemsOf(text)).toEqual([]);
  });

  it.each([
    ["another action than send and receive", '"action": "receive"', '"action": "obey"'],
    ["a reference to nowhere", "#/components/schemas/order.v1", "#/components/schemas/order.v9"],
    ["an address whose parameter nobody describes", "orders.{event}", "orders.{happening}"],
    ["a schema that is none", '"type": "integer"', '"type": "whole number"'],
    ["a message that its channel does not have", "/messages/pullRequest", "/messages/nothing"],
    ["an operation on no channel", "#/channels/push", "#/channels/pushed"],
    ["no title", '"title": "Muster worker protocol",', ""],
  ])("would not be valid with %s", async (_, from, to) => {
    expect(text).toContain(from);
    expect(await problemsOf(text.replace(from, to))).not.toEqual([]);
  });

  it("has every contract and every document of the protocol", () => {
    for (const [name, schema] of Object.entries({ ...contractSchemas, ...protocolSchemas })) {
      const { $schema: _, $comment: __, ...rest } = schema;
      expect(components.schemas[name], name).toEqual(rest);
    }
  });

  // The validator leaves examples alone in version 3.
  it("has examples that its own schemas take", () => {
    const judge = (schema: object, value: unknown): unknown =>
      createVerdict("example", { ...schema, components })(Buffer.from(JSON.stringify(value)));
    const examples = Object.values(components.messages).flatMap((message) =>
      (message.examples ?? []).map((example) => ({ message, example })),
    );
    for (const { message, example } of examples) {
      expect(judge(message.payload, example.payload), JSON.stringify(example)).toMatchObject({ ok: true });
      expect(judge(message.headers ?? {}, example.headers ?? {})).toMatchObject({ ok: true });
    }
    expect(examples.length).toBeGreaterThan(5);
  });

  it("names requirements that the protocol has", () => {
    const named = new Set(text.match(/\b[A-Z]+-[0-9]+\b/g));
    const missing = [...named].filter((id) => !/^(SHA|RFC|UTF)-/.test(id) && !protocol.includes(`[${id}]`));
    expect(missing).toEqual([]);
    expect(named.size).toBeGreaterThan(20);
  });
});
