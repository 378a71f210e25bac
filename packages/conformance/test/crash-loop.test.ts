import { describe, expect, test } from "vitest";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();
const neighbours = 120;

describe.each(testLanguages)("%s", (language) => {
  test("a message that kills its process every time takes no neighbour with it", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `crash-${language}`, concurrency: 150 });
    // Each neighbour takes a moment, so that more than a hundred are in flight when the process dies.
    for (let n = 0; n < neighbours; n++) {
      await publish(server.nc, { subject: group.subject(), eventId: `n-${n}`, directive: "block;ms=30" });
      if (n === neighbours / 2) {
        await publish(server.nc, { subject: group.subject(), eventId: "poison", directive: "exit" });
      }
    }
    let crashes = 0;
    for (;;) {
      await using worker = joinWorker(language, group);
      const died = worker.exited.then(() => "died" as const);
      const settled = group.settled("poison", "dead", 60_000).then(() => "settled" as const);
      if ((await Promise.race([died, settled])) === "died") {
        void settled.catch(() => undefined);
        expect((await worker.exited).signal, worker.lines.slice(-5).join("\n")).toBe("SIGKILL");
        crashes += 1;
        expect(crashes).toBeLessThan(8);
        continue;
      }
      await group.quiet(60_000);
      break;
    }
    // One crash in the first delivery leaves no record; then as many as the spec allows attempts.
    expect(crashes).toBe(1 + group.spec.retry.max_attempts);
    const letters = await group.deadLetters();
    expect(letters.map((letter) => letter.headers["Muster-Dlq-Event-Id"])).toEqual(["poison"]);
    expect(letters[0]?.headers["Muster-Dlq-Reason"]).toBe("crash_loop");
    for (let n = 0; n < neighbours; n++) {
      const history = await group.rowHistory(`n-${n}`);
      expect(new Set(history.map((row) => `${row.status} ${row.sequence}`)).size, `n-${n}`).toBe(1);
      expect(history[0]?.status).toBe("done");
    }
    await waitFor("an empty stream", async () => (await group.left()) === 0);
  });
});
