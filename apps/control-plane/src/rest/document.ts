// The REST interface as an OpenAPI 3.1 document, from the procedures themselves.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { Components } from "./components.ts";
import { describeInput, type Parameter, type Content } from "./describe-input.ts";
import { BASE, type Operation, operations } from "./operations.ts";
import { Problem } from "./problem.ts";
import { declaredOf } from "./procedures.ts";
import { type JsonSchema, outputSchema } from "./schemas.ts";

/** An operation as the document has it. */
export type Described = {
  operationId: string;
  tags: string[];
  summary: string;
  description: string;
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: { 200: { description: string; content: Content }; default: { $ref: string } };
};

/** The document, as far as its makers look into it. */
export type OpenApiDocument = {
  openapi: "3.1.1";
  info: { title: string; version: string; description: string; license: object };
  servers: { url: string }[];
  security: Record<string, string[]>[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, JsonSchema>; responses: object; securitySchemes: object };
};

const description = `Every procedure of the control plane. Without a login (on loopback, the default there) no token is needed.

- Ids in a path are percent-encoded, a slash in one too (\`%2F\`); an id that is \`.\` or \`..\` cannot be sent, clients take it out of a path.
- What has a body is JSON of at most 1 MiB, not compressed; a POST without fields may have none. Fields that are not known are refused.
- Errors are problem details (RFC 9457): branch on \`code\`, show \`detail\`, give \`request_id\` to whoever reads the log.
- Changes, and what was refused, are in the audit.`;

/** Makes the document. Throws where a procedure says too little of itself to be described. */
export function openApiDocument(): OpenApiDocument {
  const components = new Components();
  const paths: OpenApiDocument["paths"] = {};
  for (const [id, operation] of Object.entries(operations)) {
    const path = `${BASE}${operation.path}`;
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(id, operation, components) };
  }
  const problem = components.use(outputSchema(Problem));
  return {
    openapi: "3.1.1",
    info: { title: "Muster control plane", version: version(), description, license: { name: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    tags: [...new Set(Object.values(operations).map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      schemas: components.schemas,
      responses: {
        Problem: {
          description: "What went wrong",
          content: { "application/problem+json": { schema: problem } },
        },
      },
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

function describe(id: string, operation: Operation, components: Components): Described {
  const { procedure, summary, description: more } = operation;
  const { type, role, output } = declaredOf(procedure);
  const answer = type === "subscription" ? operation.event : output;
  if (answer === undefined) throw new Error(`${procedure} does not say what it answers with`);
  const schema = components.use(outputSchema(answer));
  return {
    operationId: id,
    tags: [tagOf(operation)],
    summary,
    description: [more, `Needs role ${role ?? "none"}; over tRPC it is \`${procedure}\`.`]
      .filter(Boolean)
      .join(" "),
    ...describeInput(operation, components),
    responses: {
      200:
        type === "subscription"
          ? {
              description: "Events, each a line `data:` with JSON of this schema",
              content: { "text/event-stream": { schema } },
            }
          : { description: "Done", content: { "application/json": { schema } } },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

const tagNames: Record<string, string> = { deadLetters: "dead letters", jobs: "replay jobs" };

function tagOf({ procedure }: Operation): string {
  const [router = ""] = procedure.split(".");
  return tagNames[router] ?? router;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, "utf8"))).version;
}
