// The breaker that a spec may ask for: too large a share of failures stops the taking for a while.
import { waitFor } from "../lab/wait.ts";
import { holds, like, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import { Unsupported, type Scenario, scenario } from "../scenario.ts";
import type { Member } from "../lab/member.ts";

const breaker = { failure_share: 0.5, min_attempts: 4, window_ms: 60_000, pause_ms: 3000 };
const retry = { backoff_ms: [60_000], jitter: 0 };

export const breaking: Scenario[] = [
  scenario(
    "breaker-opens",
    "BREAK-2 BREAK-5 BREAK-4",
    "enough failures open it, and nothing is taken for a while",
    async (lab) => {
      const group = await lab.group({ breaker, retry, concurrency: 1 });
      const member = lab.join(group);
      await fail(group, 4);
      const line = await opened(member, group);
      like("its code", line, /"breaker_open"/);
      await waitFor("the last pull to run out", async () => (await group.consumer()).num_waiting === 0);
      await member.recorded("being degraded", ({ degraded }) => degraded);
      await group.send({ eventId: "later" });
      const began = performance.now();
      like("closing", await member.said(/"breaker_closed"/), /"recovered"/);
      await group.settled("later", "done");
      holds("not before it closed", performance.now() - began > 0);
      same("attempts counted while it was open", (await group.attempts(1))?.attempts, 1);
    },
  ),

  scenario("breaker-few", "BREAK-2", "too few attempts do not open it", async (lab) => {
    const group = await lab.group({ breaker, retry, concurrency: 1 });
    const member = lab.join(group);
    await fail(group, 3);
    await group.send({ eventId: "next" });
    await group.settled("next", "done");
    same(
      "said",
      member.lines.filter((line) => line.includes("breaker_open")),
      [],
    );
  }),

  scenario(
    "breaker-permanent",
    "BREAK-3",
    "permanent failures and snoozes are none of a dependency's",
    async (lab) => {
      const group = await lab.group({ breaker, retry, concurrency: 1 });
      const member = lab.join(group);
      for (let n = 0; n < 6; n++) await group.send({ eventId: `p.${n}`, directive: "permanent" });
      for (let n = 0; n < 6; n++) await group.send({ eventId: `s.${n}`, directive: "snooze;delay_ms=60000" });
      await group.send({ eventId: "next" });
      await group.settled("next", "done");
      same(
        "said",
        member.lines.filter((line) => line.includes("breaker_open")),
        [],
      );
    },
  ),

  scenario("breaker-absent", "BREAK-1", "without one in the spec failures stop nothing", async (lab) => {
    const group = await lab.group({ retry, concurrency: 1 });
    const member = lab.join(group);
    await fail(group, 30);
    await group.send({ eventId: "next" });
    await group.settled("next", "done");
    same(
      "said",
      member.lines.filter((line) => line.includes("degraded")),
      [],
    );
  }),
];

async function fail(group: Group, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await group.send({ eventId: `f.${n}`, directive: "retryable" });
  await waitFor("all to have failed", async () => (await group.attempts(count)) !== undefined);
}

/** A field of the spec that a member may not know yet: then it says nothing, and goes on taking. */
async function opened(member: Member, group: Group): Promise<string> {
  await group.send({ eventId: "next" });
  const said = member.said(/"breaker_open"/);
  const taken = group.settled("next", "done").then(() => undefined);
  taken.catch(() => undefined);
  const line = await Promise.race([said, taken]);
  if (line === undefined) throw new Unsupported("it opens no breaker: its log has no breaker_open");
  return line;
}
