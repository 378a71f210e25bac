import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
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

test("every example of the README type-checks", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
  const folder = new URL("readme-examples.gen/", import.meta.url);
  await mkdir(folder, { recursive: true });
  try {
    for (const [n, block] of blocks.entries()) {
      await writeFile(new URL(`example-${n}.ts`, folder), withWorld(block));
    }
    const options = { extends: "../../../../tsconfig.base.json", include: ["*.ts"] };
    await writeFile(new URL("tsconfig.json", folder), JSON.stringify(options));
    const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
    await using check = startProcess("tsc", [tsc, "-p", fileURLToPath(folder)]);
    expect((await check.exited).code, check.lines.join("\n")).toBe(0);
    expect(blocks.length).toBeGreaterThan(5);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);

/** An example with what the reader has around it: imports it does not repeat, and things of his own. */
function withWorld(block: string): string {
  if (block.includes("import ")) {
    return block;
  }
  return `import type { NatsConnection } from "@nats-io/transport-node";
import { OrderV1 } from "@muster/contracts";
import { type Middleware, PermanentError, Publisher, readConfig, runWorker, Worker } from "@muster/worker-core";
declare const nats: NatsConnection;
declare const order: OrderV1;
declare const many: { subject: string; value: OrderV1 }[];
declare const handler: (order: OrderV1) => unknown;
export const world: unknown[] = [PermanentError, Publisher, readConfig, runWorker, Worker, nats, order, many, handler];
export type World = Middleware;
${block}`;
}
