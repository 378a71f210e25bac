import { connect as connectTcp } from "node:net";
import { waitFor } from "./wait.ts";

/** Publishes header bytes as they are: a client library would not write them so. */
export async function publishRaw(url: string, subject: string, head: string, body: string): Promise<void> {
  const socket = connectTcp(Number(new URL(url).port), "127.0.0.1");
  try {
    let seen = "";
    socket.on("data", (chunk) => (seen += chunk.toString()));
    await waitFor("the server's greeting", () => seen.includes("INFO"));
    socket.write('CONNECT {"headers":true,"verbose":false,"pedantic":false,"lang":"raw","version":"1"}\r\n');
    socket.write(`HPUB ${subject} ${head.length} ${head.length + body.length}\r\n${head}${body}\r\nPING\r\n`);
    await waitFor("the server's PONG", () => seen.includes("PONG"));
  } finally {
    socket.destroy();
  }
}
