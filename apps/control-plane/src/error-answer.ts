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

// Zod's own message is JSON; say where and what in words.
function readable(error: { message: string; cause?: unknown }): string {
  const issues = (error.cause as { issues?: { path: PropertyKey[]; message: string }[] } | undefined)?.issues;
  if (!Array.isArray(issues)) return error.message;
  return issues.map(({ path, message }) => `${path.map(String).join(".") || "input"}: ${message}`).join("; ");
}
