// The trace context goes with the message, exactly as it came.
import { replayHeaders, replaySubject } from "@muster/contracts";
import { has, same } from "../expect.ts";
import { publish } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const context = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "vendor=value,other=1",
};

export const trace: Scenario[] = [
  scenario(
    "trace-dead-letter",
    "TRACE-3 TRACE-1",
    "a dead letter keeps the trace of its message, also after retries",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 2 } });
      lab.join(group);
      await group.send({ eventId: "t.1", directive: "retryable", headers: context });
      const [letter] = await group.died();
      has("the headers", letter?.headers, context);
    },
  ),

  scenario("trace-replay", "TRACE-3", "a replay that dies again keeps the trace", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "t.1", directive: "permanent", headers: context });
    const [letter] = await group.died();
    const head = replayHeaders(letter?.headers ?? {});
    await publish(lab.nc, replaySubject(group.stream, group.group, group.subject()), { headers: head });
    const [, second] = await group.died(2);
    has("the headers", second?.headers, context);
  }),

  scenario("trace-malformed", "TRACE-4", "a malformed trace is no reason to fail", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const bad = ["", "x", "00-zz-zz-01", "f".repeat(5000), `${context.traceparent}-more`];
    for (const [n, traceparent] of bad.entries())
      await group.send({ eventId: `t.${n}`, headers: { traceparent, tracestate: "=,=" } });
    for (const n of bad.keys()) await group.settled(`t.${n}`, "done");
    same("dead letters", await group.deadLetters(), []);
  }),
];
