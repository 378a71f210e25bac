import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeOperator, startNats } from "@muster/testkit";
import { describe, expect, it } from "vitest";
import { connectTo, shown } from "../src/demo/server.ts";

describe("the server of the demo", () => {
  it("is shown without user and password", () => {
    expect(shown("nats://me:secret@one:4222, nats://me:s@cret@two:4222")).toBe(
      "nats://one:4222,nats://two:4222",
    );
    expect(shown("tls://three:4222")).toBe("tls://three:4222");
    expect(shown("four:4222")).toBe("four:4222");
  });

  it("takes the user and password of its URL, and keeps them out of the error", async () => {
    await using server = await startNats({ config: "authorization { user: me, password: secret }" });
    const nc = await connectTo(server.url.replace("//", "//me:secret@"));
    await nc.close();
    const wrong = connectTo(server.url.replace("//", "//me:guessed@"));
    await expect(wrong).rejects.toThrow(`no NATS at ${server.url}: `);
    await expect(wrong).rejects.not.toThrow("guessed");
  });

  it("logs in with the files that the environment names", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "muster-demo-"));
    const operator = await makeOperator();
    await using server = await startNats({ config: operator.config });
    const creds = join(folder.path, "demo.creds");
    await writeFile(creds, await operator.credentials("demo"));
    const nc = await connectTo(server.url, { NATS_CREDS: creds });
    await nc.close();
    await expect(connectTo(server.url, { NATS_CREDS: join(folder.path, "none") })).rejects.toThrow(
      "NATS_CREDS: ",
    );
    await expect(connectTo(server.url, {})).rejects.toThrow(`no NATS at ${server.url}: `);
  });
});
