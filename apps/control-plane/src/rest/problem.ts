// Errors as problem details (RFC 9457).
import { type ServerResponse, STATUS_CODES } from "node:http";
import { z } from "zod";

/** An error as REST tells it. */
export const Problem = z
  .strictObject({
    type: z.literal("about:blank"),
    title: z.string().describe("The name of the HTTP status"),
    status: z.int(),
    detail: z.string().describe("What failed, with which names, and what to do. For people: it may change"),
    code: z.string().describe("What went wrong, for programs: stable"),
    request_id: z.string().describe("The same in the log and in the audit"),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** The problem of a status. */
export function problemOf(
  status: number,
  { code, message, requestId }: { code: string; message: string; requestId: string },
): Problem {
  const title = STATUS_CODES[status] ?? "Error";
  return { type: "about:blank", title, status, detail: message, code, request_id: requestId };
}

/** Answers with it. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (problem.status === 401) response.setHeader("www-authenticate", "Bearer");
  if (problem.status === 429) response.setHeader("retry-after", "1");
  response.writeHead(problem.status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify(problem));
}
