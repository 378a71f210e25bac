// The development configuration, held against the server's own reading of it.
import { join } from "node:path";
import { checkoutRoot, findNatsServer, startProcess } from "@muster/testkit";
import { expect, test } from "vitest";

test("the server takes the development configuration", async () => {
  const file = join(checkoutRoot, "infra/nats/development.conf");
  await using check = startProcess("nats-server", [findNatsServer(), "-t", "-c", file]);
  expect(await check.exited).toEqual({ code: 0, signal: null });
  expect(check.lines.join()).toContain("is valid");
});
