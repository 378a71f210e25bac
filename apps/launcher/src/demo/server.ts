import { hasLogin, readLoginFiles } from "@muster/contracts";
import { loginOptions } from "@muster/testkit";
import { connect, type NatsConnection } from "@nats-io/transport-node";

/**
 * Connects to the servers of a `NATS_URL`, with the login in it or in the files that NATS_CREDS, NATS_NKEY and NATS_CA
 * name; says in words when it cannot.
 */
export async function connectTo(
  natsUrl: string,
  // The files go with an outside server; one of our own has no logins.
  env: Record<string, string | undefined> = process.env["NATS_URL"] ? process.env : {},
): Promise<NatsConnection> {
  const urls = natsUrl.split(",").map((url) => url.trim());
  const { files, problems } = readLoginFiles(env, hasLogin(urls));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const inboxPrefix = env["MUSTER_INBOX_PREFIX"] || "_INBOX";
  try {
    const { username, password } = new URL(urls[0] ?? "");
    const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
    return await connect({
      servers: urls.map(withoutUser),
      name: "muster-demo",
      maxReconnectAttempts: -1,
      inboxPrefix,
      ...loginOptions(files),
      ...(user === "" ? {} : pass === "" ? { token: user } : { user, pass }),
    });
  } catch (cause) {
    const hint = "correct NATS_URL, or leave it out for a server of the demo's own";
    throw new Error(`no NATS at ${shown(natsUrl)}: ${String(cause)}; ${hint}`, { cause });
  }
}

/** A `NATS_URL` as it may be printed: without user and password. */
export function shown(natsUrl: string): string {
  return natsUrl
    .split(",")
    .map((url) => withoutUser(url.trim()))
    .join(",");
}

function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)?.*@/i, "$1");
}
