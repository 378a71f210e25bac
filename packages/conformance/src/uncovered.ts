/**
 * Requirements of docs/protocol.md that no scenario proves, each with the reason. A test holds this against the
 * document: a new requirement needs a scenario, or a line here.
 */
export const uncovered: Readonly<Record<string, string>> = {
  ...because("binds operators, not members", ["STORE-2", "STORE-3", "STORE-5", "STORE-7", "STORE-8"]),
  ...because("binds control planes", ["REPLAY-2", "REPLAY-3", "REPLAY-4", "REPLAY-5", "REPLAY-6"]),
  ...because("binds publishers", ["NAME-5", "PUB-1", "PUB-2", "PUB-3", "PUB-4", "PUB-5", "PUB-6", "PUB-7"]),
  ...because("says how names are made; every scenario uses them", ["NAME-4", "NAME-6", "VERSION-1"]),
  ...because("leaves the member the choice, or reserves something", ["ENV-4", "ACK-4"]),
  ...because("shows in a cluster only: a replica that is behind, the long ack subject", ["KV-5", "ACK-2"]),
  ...because("needs a clock or a limit of the server that is changed while it runs", ["HOLD-5", "WIRE-5"]),
  ...because("needs a fault between two requests of the member, which a proxy cannot time", [
    "SETTLE-14",
    "SETTLE-17",
    "PG-8",
    "PULL-5",
    "WATCH-4",
  ]),
  ...because("is about the handler's own statements; the cores' tests prove it", ["PG-10"]),
  ...because("is a matter of throughput; the benchmark measures it", ["PULL-3"]),
  ...because("shows in an application that brings an SDK; the cores' tests prove it", ["TRACE-2"]),
};

function because(reason: string, requirements: readonly string[]): Record<string, string> {
  return Object.fromEntries(requirements.map((requirement) => [requirement, reason]));
}
