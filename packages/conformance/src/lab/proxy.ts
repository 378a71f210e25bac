import { connect, createServer, type Socket } from "node:net";

/** Stands between a worker and its server. */
export type Proxy = {
  readonly url: string;
  /** Ends all connections, and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  /** Nothing passes in either direction, and nobody is told; `thaw` lets all pass that waited. */
  freeze(): void;
  thaw(): void;
  /** From now on the worker's bytes `from` reach the server as `to`; both have the same length. */
  rewrite(from: string, to: string): void;
  /** From now on nothing is changed. */
  pass(): void;
  /** What workers have sent so far, of all connections one after the other. */
  readonly sent: string;
  close(): Promise<void>;
};

/** Starts a proxy to the server of this port. */
export async function openProxy(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let isFrozen = false;
  let change: { from: Buffer; to: Buffer } | undefined;
  const sent: Buffer[] = [];
  const server = createServer((worker) => {
    if (isCut) {
      worker.destroy();
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [worker, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        (socket === worker ? upstream : worker).destroy();
      });
    }
    upstream.on("data", (bytes) => worker.write(bytes));
    worker.on("data", (bytes) => {
      sent.push(bytes);
      upstream.write(change === undefined ? bytes : replaced(bytes, change));
    });
    if (isFrozen) for (const socket of [worker, upstream]) socket.pause();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const address = server.address();
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    cut,
    mend: () => void (isCut = false),
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    rewrite(from, to) {
      if (from.length !== to.length) throw new Error("the bytes after it would move");
      change = { from: Buffer.from(from), to: Buffer.from(to) };
    },
    pass: () => void (change = undefined),
    get sent() {
      return Buffer.concat(sent).toString("latin1");
    },
    async close() {
      cut();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/** What is split between two chunks is missed: a client writes a protocol line at once. */
function replaced(bytes: Buffer, { from, to }: { from: Buffer; to: Buffer }): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + from.length)) to.copy(copy, at);
  return copy;
}
