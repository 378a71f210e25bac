// The document and its page, made when somebody first asks.
import type { ServerResponse } from "node:http";
import { docsPage, docsPolicy } from "./docs-page.ts";
import { openApiDocument } from "./document.ts";

let json: string | undefined;
let page: string | undefined;

const pages: Record<string, (response: ServerResponse) => void> = {
  "/openapi.json": (response) => {
    json ??= JSON.stringify(openApiDocument());
    response.writeHead(200, { "content-type": "application/json" });
    response.end(json);
  },
  "/docs": (response) => {
    page ??= docsPage(openApiDocument());
    response.writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": docsPolicy,
    });
    response.end(page);
  },
};

/** What answers at a path, where that is one of these pages. They hold nothing secret, so anybody may read them. */
export function pageAt(path: string | undefined): ((response: ServerResponse) => void) | undefined {
  return path !== undefined && Object.hasOwn(pages, path) ? pages[path] : undefined;
}
