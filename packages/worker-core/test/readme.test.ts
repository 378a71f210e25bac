import { readFile, rm, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { startNats, startProcess } from "@muster/testkit";
import { TestGroup } from "./group.ts";

test("the README's handler runs as it stands there", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const source = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  // Beside the tests, so that the package's own imports resolve as in an application.
  const file = new URL("readme-handler.gen.ts", import.meta.url);
  await writeFile(file, source.replace('"@muster/worker-core"', '"../src/index.ts"'));
  try {
    await using server = await startNats();
    await using group = await TestGroup.create(server, { contracts: ["order.v1"] });
    const { contractSchemas } = await import("@muster/contracts");
    await (await group.bucket("MUSTER_CONTRACTS")).put(
      "order.v1",
      JSON.stringify(contractSchemas["order.v1"]),
    );
    await using worker = startProcess("readme", [process.execPath, file.pathname], {
      NATS_URL: server.url,
      MUSTER_STREAM: group.stream,
      MUSTER_GROUP: group.group,
    });
    await worker.waitForLine(/"msg":"joined"/);
    const order = {
      id: "7",
      customer: "ada",
      amount: 12.5,
      status: "pending",
      created_at: "2026-01-01T00:00:00Z",
    };
    const done = await group.publish({ body: JSON.stringify(order) });
    const dead = await group.publish({ body: JSON.stringify({ ...order, amount: -1 }) });
    expect((await group.settled(done)).result).toEqual({ order_id: "7", total: 12.5 });
    expect((await group.settled(dead, "dead")).headers?.["Muster-Dlq-Error"]).toBe("negative amount");
  } finally {
    await rm(file);
  }
});
