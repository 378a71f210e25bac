// Calls operations by their id and holds what is sent and answered against the document that the server gives out.
import { type ValidateFunction, Ajv2020 } from "ajv/dist/2020.js";
import type { Described, OpenApiDocument } from "../src/rest/document.ts";
import type { JsonSchema } from "../src/rest/schemas.ts";

/** What an operation is called with. */
export type Sent = {
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: object;
  token?: string;
};

/** What came back. */
export type Answered = { status: number; headers: Headers; body: Record<string, unknown> };

/** A client of the server at `url`. */
export async function restClient(url: string, token = "") {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument;
  const operations = new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [
        operation.operationId,
        { path, method, operation },
      ]),
    ),
  );
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const compiled = new Map<JsonSchema, ValidateFunction>();
  const check = (what: string, schema: JsonSchema, value: unknown) => {
    const validate =
      compiled.get(schema) ?? ajv.compile({ ...schema, components: document.components } as object);
    compiled.set(schema, validate);
    if (!validate(value))
      throw new Error(
        `${what} is not as the document says: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`,
      );
  };
  const called = new Set<string>();

  const find = (id: string) => {
    const found = operations.get(id);
    if (found === undefined) throw new Error(`the document has no operation ${id}`);
    return found;
  };
  const request = (id: string, { params = {}, query = {}, body, token: other }: Sent) => {
    const { path, method } = find(id);
    const filled = path.replace(/\{([a-z_]+)\}/g, (_, name: string) =>
      encodeURIComponent(params[name] ?? ""),
    );
    const search = new URLSearchParams(query).toString();
    const bearer = other ?? token;
    return fetch(`${url}${filled}${search === "" ? "" : `?${search}`}`, {
      method: method.toUpperCase(),
      headers: {
        ...(bearer === "" ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };
  const checkSent = (id: string, operation: Described, { query = {}, body }: Sent) => {
    const known = (operation.parameters ?? []).map(({ name }) => name);
    for (const name of Object.keys(query))
      if (!known.includes(name)) throw new Error(`the document has no parameter ${name} of ${id}`);
    const schema = operation.requestBody?.content["application/json"]?.schema;
    if (body !== undefined) check(`what ${id} sends`, schema ?? { type: "null" }, body);
  };

  return {
    document,
    operations,
    /** The operations that answered as they should. */
    called,
    check,
    request,
    /** The answer of a call that is to succeed. */
    async call<T = Record<string, unknown>>(id: string, sent: Sent = {}): Promise<T> {
      const { operation } = find(id);
      checkSent(id, operation, sent);
      const response = await request(id, sent);
      const body: unknown = await response.json();
      if (response.status !== 200) throw new Error(`${id}: ${response.status} ${JSON.stringify(body)}`);
      const schema = operation.responses[200].content["application/json"]?.schema;
      check(`what ${id} answers`, schema ?? { type: "null" }, body);
      called.add(id);
      return body as T;
    },
    /** The problem of a call that is to be refused. */
    async refused(id: string, sent: Sent = {}): Promise<{ status: number; code: string; detail: string }> {
      const response = await request(id, sent);
      const body = (await response.json()) as { status: number; code: string; detail: string };
      if (response.headers.get("content-type") !== "application/problem+json")
        throw new Error(`${id} was not refused: ${response.status} ${JSON.stringify(body)}`);
      check(`how ${id} is refused`, { $ref: "#/components/schemas/Problem" }, body);
      if (body.status !== response.status)
        throw new Error(`${id}: ${response.status} is told as ${body.status}`);
      return body;
    },
  };
}
