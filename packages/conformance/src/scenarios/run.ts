// Handlers: how many run at once, what they are told, and what their errors are called.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const run: Scenario[] = [
  scenario(
    "run-bound",
    "RUN-1",
    "at most as many handlers run at once as the concurrency says",
    async (lab) => {
      const group = await lab.group({ concurrency: 3, ack_wait_ms: 30_000 });
      const tap = await lab.tap(group);
      const seqs: number[] = [];
      for (let n = 0; n < 9; n++)
        seqs.push((await group.send({ eventId: `r.${n}`, directive: "block;ms=1200" })).seq);
      lab.join(group);
      await group.quiet();
      const ends = seqs.flatMap((seq) => tap.of(seq)).flatMap(({ kind, at }) => (kind === "ack" ? [at] : []));
      const [first = 0] = ends.toSorted((a, b) => a - b);
      const until = (ms: number): number => ends.filter((at) => at - first < ms).length;
      same("ended with the first", until(900), 3);
      same("ended with the second three", until(2000), 6);
      same("ended in all", ends.length, 9);
    },
  ),

  scenario("run-classes", "RUN-6", "errors are known by their class", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 1 } });
    lab.join(group);
    await group.send({ eventId: "permanent", directive: "permanent" });
    await group.send({ eventId: "retryable", directive: "retryable" });
    const letters = await group.died(2);
    const classes = letters.map(({ headers }) => [
      headers["Muster-Dlq-Event-Id"],
      headers["Muster-Dlq-Error-Class"],
    ]);
    same("the classes", Object.fromEntries(classes), {
      permanent: "PermanentError",
      retryable: "RetryableError",
    });
  }),

  scenario("run-attempt", "RUN-2 CONF-12", "the handler is told the number of its attempt", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "r.1", directive: "retryable;times=2" });
    has("the result", (await group.settled("r.1", "done")).result, { attempt: 3 });
  }),

  scenario("run-turns", "CONF-2", "a directive for some turns counts the snoozes", async (lab) => {
    const group = await lab.group();
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "t.1", directive: "snooze;delay_ms=50;turns=2" });
    has("the row", await group.settled("t.1", "done"), { result: { attempt: 1 } });
    await tap.tells(seq, "nak 1, nak 2, ack 3");
  }),

  scenario("run-unknown-verb", "CONF-2", "a directive that it does not know is permanent", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "r.1", directive: "levitate;ms=1" });
    const [letter] = await group.died();
    has("the dead letter", letter?.headers, {
      "Muster-Dlq-Reason": "permanent",
      "Muster-Dlq-Error": "unknown conformance verb levitate",
    });
  }),

  ...(
    [
      ["none", { ledger: "none" }, "no_ledger"],
      ["push", { delivery: { mode: "push" } }, "unbounded_hold"],
      ["queue", { delivery: { mode: "queue" }, ledger: "none" }, "at_most_once"],
    ] as const
  ).map(([name, options, code]) =>
    scenario(`mode-limit-${name}`, "MODE-1", `${code} is said at the start`, async (lab) => {
      const group = await lab.group(options);
      const member = lab.join(group);
      await member.joined();
      const lines = member.lines.filter((line) => line.includes(`"${code}"`));
      same("said once", lines.length, 1);
      has("the line", JSON.parse(lines[0] ?? "{}"), { level: "warn", msg: "not promised", code });
      holds("what it means", /"limit":"[^"]{10,}/.test(lines[0] ?? ""), lines[0]);
    }),
  ),

  scenario("mode-limit-full", "MODE-1", "pull with a ledger says nothing of the kind", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await member.joined();
    await waitFor("its first beat", () => member.record());
    same(
      "said",
      member.lines.filter((line) => /no_ledger|unbounded_hold|at_most_once/.test(line)),
      [],
    );
  }),
];
