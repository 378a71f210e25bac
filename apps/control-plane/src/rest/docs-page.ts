// The page at /docs: the document as plain HTML, without a script, so that it needs nothing from anywhere.
import { createHash } from "node:crypto";
import { fieldsFor, nameOf, typeOf } from "./docs-fields.ts";
import type { Described, OpenApiDocument } from "./document.ts";
import type { JsonSchema } from "./schemas.ts";

const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; text-transform: capitalize }
code, pre { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--soft); padding: .6rem; white-space: pre-wrap }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .7rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 4.2rem }
summary span { opacity: .75 }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 1rem }
td { border-top: 1px solid var(--line); padding: .25rem .5rem .25rem 0; vertical-align: top }
td:first-child { width: 30% } td:nth-child(2) { width: 30% }
h4 { margin: .8rem 0 0 }
nav a { margin-right: .8rem }
`;

/** What the page may load: its own style, by its hash. */
export const docsPolicy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The page. */
export function docsPage(document: OpenApiDocument): string {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(
    ({ name }) =>
      `<h2 id="${slug(name)}">${escape(name)}</h2>${operations
        .filter(({ operation }) => operation.tags.includes(name))
        .map(({ path, method, operation }) => section(path, method, operation))
        .join("")}`,
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details><summary><code>${escape(name)}</code></summary><div id="schema-${slug(name)}">${table(schema)}</div></details>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)}</title><style>${style}</style></head>
<body><h1>${escape(info.title)}</h1><p>Version ${escape(info.version)} · <a href="/openapi.json">openapi.json</a></p>
${prose(info.description)}
<nav>${tags.map(({ name }) => `<a href="#${slug(name)}">${escape(name)}</a>`).join("")}<a href="#schemas">schemas</a></nav>
${sections.join("\n")}
<h2 id="schemas">Schemas</h2>${schemas.join("\n")}
</body></html>
`;
}

function section(path: string, method: string, operation: Described): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(({ name, in: place, required, description: about = "", schema }) => [
    `<code>${escape(name)}</code> in ${place}${required === true ? "" : ", optional"}`,
    escape(typeOf(schema)),
    escape(
      [about, "default" in schema ? `default ${JSON.stringify(schema["default"])}` : ""]
        .filter(Boolean)
        .join("; "),
    ),
  ]);
  const body = requestBody?.content["application/json"]?.schema;
  const [[media, { schema: answer }] = ["", { schema: {} }]] = Object.entries(responses[200].content);
  return `<details id="${escape(operationId)}"><summary><b>${method.toUpperCase()}</b> <code>${escape(path)}</code><br><b></b> <span>${escape(summary)}</span></summary>
<p>${inline(description)}</p>
${rows.length === 0 ? "" : `<h4>Parameters</h4>${tableOf(rows)}`}
${body === undefined ? "" : `<h4>Body${requestBody?.required === true ? "" : ", optional"}</h4>${table(body)}`}
<h4>Answer <code>${escape(media)}</code></h4><p>${typeLink(answer)}</p></details>`;
}

function table(schema: JsonSchema): string {
  const rows = fieldsFor(schema).map(({ name, type, link, required, description }) => [
    `<code>${escape(name)}</code>${required ? "" : ", optional"}`,
    link === undefined ? escape(type) : `<a href="#schema-${slug(link)}">${escape(type)}</a>`,
    escape(description),
  ]);
  return rows.length === 0 ? `<p>${typeLink(schema)}</p>` : tableOf(rows);
}

function tableOf(rows: readonly (readonly string[])[]): string {
  return `<table>${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;
}

function typeLink(schema: JsonSchema): string {
  const ref = schema["$ref"] ?? schema.items?.["$ref"];
  const text = escape(typeOf(schema));
  return typeof ref === "string" ? `<a href="#schema-${slug(nameOf(ref))}">${text}</a>` : text;
}

// Paragraphs and one list, which is all that the description has.
function prose(text: string): string {
  const [lead = "", ...items] = text.split(/\n+(?:- )?/);
  return `<p>${inline(lead)}</p><ul>${items.map((item) => `<li>${inline(item)}</li>`).join("")}</ul>`;
}

function inline(text: string): string {
  return escape(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}

function slug(name: string): string {
  return name.replace(/[^A-Za-z0-9]+/g, "-");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.codePointAt(0)};`);
}
