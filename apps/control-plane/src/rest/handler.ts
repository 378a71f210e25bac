// Answers requests to the REST interface by the procedures that tRPC answers by.
import type { IncomingMessage, ServerResponse } from "node:http";
import { callTRPCProcedure, getTRPCErrorFromUnknown } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { passOverBody } from "../answer.ts";
import { answerOf } from "../error-answer.ts";
import { fail, toTrpcError } from "../errors.ts";
import { appRouter } from "../router.ts";
import type { Context } from "../trpc.ts";
import { readBody } from "./body.ts";
import { sendEvents } from "./events.ts";
import { fromQuery, hasBody, withParams } from "./input.ts";
import { type Problem, problemOf, sendProblem } from "./problem.ts";
import { declaredOf } from "./procedures.ts";
import { findRoute, type Route } from "./route.ts";
import { fieldsOf } from "./schemas.ts";

type Found = Extract<Route, { type: "found" }>;

/** Answers one request; never rejects. */
export async function answerRest(
  request: IncomingMessage,
  response: ServerResponse,
  { context, maxBodyBytes }: { context: Context; maxBodyBytes: number },
): Promise<void> {
  const { requestId } = context.caller;
  const toProblem = (cause: unknown): Problem => {
    const error = toTrpcError(getTRPCErrorFromUnknown(cause));
    return problemOf(getHTTPStatusCodeFromError(error), { ...answerOf(error), requestId });
  };
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const route = findRoute(request.method ?? "", path);
    if (route.type === "no_method") response.setHeader("allow", route.allowed.join(", "));
    if (route.type !== "found") throw notFound(route, request.method);
    checkPlaces(request, route, query);
    const { type } = declaredOf(route.operation.procedure);
    const result: unknown = await callTRPCProcedure({
      router: appRouter,
      path: route.operation.procedure,
      type,
      ctx: context,
      // Asked for once the caller is known to be let in: strangers' bodies are not read.
      getRawInput: once(() => inputOf(request, route, { query, maxBodyBytes })),
      signal: gone.signal,
      batchIndex: 0,
    });
    if (type === "subscription")
      return await sendEvents(result as AsyncIterable<unknown>, response, {
        signal: gone.signal,
        problemOf: toProblem,
      });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(result));
  } catch (error) {
    if (response.headersSent || gone.signal.aborted) return void response.destroy();
    passOverBody(request, response);
    sendProblem(response, toProblem(error));
  }
}

async function inputOf(
  request: IncomingMessage,
  { operation, params }: Found,
  { query, maxBodyBytes }: { query: string; maxBodyBytes: number },
): Promise<unknown> {
  const given = hasBody(operation)
    ? await readBody(request, maxBodyBytes)
    : fromQuery(new URLSearchParams(query), declaredOf(operation.procedure).input);
  return withParams(given, params, operation);
}

/** Refuses what would be passed over: a `dry_run` in the wrong place would be none. */
function checkPlaces({ headers }: IncomingMessage, { operation }: Found, query: string): void {
  const { method, path, procedure } = operation;
  if (hasBody(operation)) {
    if (query !== "")
      throw fail("bad_request", `${method} takes no query; its parameters belong into the body, as JSON`);
    return;
  }
  if (Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined)
    throw fail("bad_request", `${method} takes no body; its parameters belong into the query`);
  if (query !== "" && Object.keys(fieldsOf(declaredOf(procedure).input)).length === 0)
    throw fail("bad_request", `${method} ${path} takes no parameters`);
}

function notFound(route: Exclude<Route, Found>, method = ""): Error {
  return route.type === "no_path"
    ? fail("no_path", "there is no such path; /openapi.json and /docs show those there are")
    : fail("method_not_supported", `${method} is not supported here; ${route.allowed.join(", ")}: yes`);
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= run());
}
