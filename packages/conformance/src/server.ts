import { type NatsServer, startNats } from "@muster/testkit";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll } from "vitest";
import { provisionBuckets } from "./provision.ts";

/** A server of a test file, with its buckets, ended after the file. Use it inside tests only. */
export function sharedServer(): { readonly nc: NatsConnection; readonly url: string } {
  let server: NatsServer | undefined;
  let nc: NatsConnection | undefined;
  beforeAll(async () => {
    server = await startNats();
    nc = await connect({ servers: server.url });
    await provisionBuckets(nc);
  });
  afterAll(async () => {
    await nc?.close();
    await server?.stop();
  });
  return {
    get nc() {
      if (nc === undefined) throw new Error("the server of this file is not started yet");
      return nc;
    },
    get url() {
      if (server === undefined) throw new Error("the server of this file is not started yet");
      return server.url;
    },
  };
}
