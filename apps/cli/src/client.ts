// The way to the control plane: tRPC over HTTP, and its errors in one line each.
import type { AppRouter } from "@muster/control-plane";
import { createTRPCClient, httpLink, httpSubscriptionLink, splitLink, TRPCClientError } from "@trpc/client";
import { EventSource } from "eventsource";

const DEFAULT_URL = "http://127.0.0.1:4600";

/** A typed client of the control plane's procedures. */
export type Client = ReturnType<typeof createTRPCClient<AppRouter>>;

/** What went wrong for the user: one line, and how the process ends. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Where the control plane is: `MUSTER_URL`, else this machine. Throws a usage error when it is no URL. */
export function controlPlaneUrl(env: Record<string, string | undefined>): string {
  const url = env["MUSTER_URL"] || DEFAULT_URL;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError(`MUSTER_URL ${url} is no http:// URL`, 2);
  }
  return url.replace(/\/$/, "");
}

/** A client for that address, with a bearer token where one is given; it connects when it is first used. */
export function createClient(url: string, token?: string): Client {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  // Node's own EventSource takes no headers, and with them no token.
  const eventSourceOptions = {
    fetch: (input: string | URL | Request, init?: RequestInit) =>
      fetch(input, { ...init, headers: { ...init?.headers, ...headers } }),
  };
  return createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === "subscription",
        true: httpSubscriptionLink({ url, EventSource, eventSourceOptions }),
        false: httpLink({ url, headers }),
      }),
    ],
  });
}

/** An error as the user shall read it; nothing when it is a fault of the program. */
export function explain(error: unknown, url: string): CliError | undefined {
  if (error instanceof CliError) return error;
  if (!(error instanceof TRPCClientError)) return undefined;
  const data = error.data as { muster_code?: string } | undefined | null;
  if (data?.muster_code !== undefined) return new CliError(`${error.message} [${data.muster_code}]`);
  if (isFetchFailure(error.cause)) {
    return new CliError(
      `the control plane is not reachable at ${url}; start it with ./muster up, or set MUSTER_URL`,
    );
  }
  return new CliError(`what answers at ${url} is no control plane: ${error.message}; set MUSTER_URL`);
}

/** Whether the same question may be answered a little later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof TRPCClientError)) return false;
  const data = error.data as { muster_code?: string } | undefined | null;
  const code = data?.muster_code;
  if (code === undefined) return isFetchFailure(error.cause);
  return code === "nats_down" || code === "too_many_requests" || code === "index_building";
}

function isFetchFailure(cause: unknown): boolean {
  return cause instanceof TypeError && cause.message === "fetch failed";
}
