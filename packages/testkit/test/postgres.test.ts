import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postgresMissing, startPostgres, startProcess, waitFor } from "../src/index.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "a Postgres for tests", { timeout: 120_000 }, () => {
  test("a server takes SQL, is killed with all its sessions, and has its data when it is back", async () => {
    await using server = await startPostgres();
    await server.psql("create table kept (word text); insert into kept values ('here')");
    // Unlike one that waits, a session that computes does not notice that the server died.
    const busy = server.psql("do $$ begin loop perform 1; end loop; end $$").catch(String);
    const busySessions =
      "select pid from pg_stat_activity where query like 'do %' and pid <> pg_backend_pid()";
    await waitFor("the session to be busy", () => server.psql(busySessions));
    await server.restart();
    expect(await busy).toContain("server closed the connection");
    expect(await server.psql(busySessions)).toBe("");
    expect(await server.psql("select word from kept")).toBe("here");
  });

  test("a stopped server is gone", async () => {
    const server = await startPostgres();
    await server.stop();
    await expect(server.psql("select 1")).rejects.toThrow(/Connection refused/);
  });

  test("a setting that is none fails with the server's own words", async () => {
    await expect(startPostgres({ settings: { max_connections: "nonsense" } })).rejects.toThrow(
      /did not start: .*max_connections/,
    );
  });

  test("two servers run beside each other", async () => {
    await using one = await startPostgres();
    await using two = await startPostgres();
    expect(one.url).not.toBe(two.url);
    expect(await one.psql("select 1")).toBe(await two.psql("select 1"));
  });

  test.skipIf(process.platform !== "linux")("a server ends with the process that started it", async () => {
    const index = JSON.stringify(join(import.meta.dirname, "../src/index.ts"));
    const code = `
      import { startPostgres } from ${index};
      const server = await startPostgres();
      console.log("started", server.pid);`;
    const argv = [process.execPath, "--input-type=module", "-e", code];
    await using starter = startProcess("starter", argv);
    const pid = Number((await starter.waitForLine(/^started/, 60_000)).split(" ")[1]);
    expect(() => process.kill(pid, 0)).not.toThrow();
    starter.kill();
    // A process that has ended may stay as a zombie where nobody waits for it.
    await waitFor("the server to end", () => !/^State:\s+[^Z]/m.test(statusOf(pid)));
  });
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
