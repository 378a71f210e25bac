// What a caller is told of an error, in tRPC and in REST.
import { MusterError } from "@muster/contracts";
import type { TRPCError } from "@trpc/server";

/** Its stable code, and words. No stack and nothing of ours: it tells an attacker what we run, and the caller nothing. */
export function answerOf(error: TRPCError): { code: string; message: string } {
  const isOurs = error.cause instanceof MusterError;
  return {
    code: error.cause instanceof MusterError ? error.cause.code : error.code.toLowerCase(),
    message:
      isOurs || error.code !== "INTERNAL_SERVER_ERROR"
        ? readable(error)
        : "internal error; the control plane's log says more",
  };
}

type Issue = { path: PropertyKey[]; message: string; issues?: Issue[]; errors?: Issue[][] };

// Zod's own message is JSON; say where and what in words.
function readable(error: { message: string; cause?: unknown }): string {
  const issues = (error.cause as { issues?: Issue[] } | undefined)?.issues;
  if (!Array.isArray(issues)) return error.message;
  return issues
    .flatMap(reasonsOf)
    .map(({ path, message }) => `${path.map(String).join(".") || "input"}: ${message}`)
    .join("; ");
}

/** Of several forms the one that was nearly met is what the caller meant; of a key, what is wrong with it. */
function reasonsOf(issue: Issue): Issue[] {
  const [nearest] = (issue.errors ?? []).toSorted((a, b) => a.length - b.length);
  const inner = nearest ?? issue.issues ?? [];
  if (inner.length === 0) return [issue];
  return inner.flatMap((one) => reasonsOf({ ...one, path: [...issue.path, ...one.path] }));
}
