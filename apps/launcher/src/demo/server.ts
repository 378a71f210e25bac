import { connect, type NatsConnection } from "@nats-io/transport-node";

/** Connects to the servers of a `NATS_URL`, user and password in it included; says in words when it cannot. */
export async function connectTo(natsUrl: string): Promise<NatsConnection> {
  const urls = natsUrl.split(",").map((url) => url.trim());
  try {
    const { username, password } = new URL(urls[0] ?? "");
    const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
    return await connect({
      servers: urls.map(withoutUser),
      name: "muster-demo",
      maxReconnectAttempts: -1,
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
