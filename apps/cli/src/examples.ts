// One example for each command, shown in its help.
import type { Command } from "commander";

const examples: Readonly<Record<string, string>> = {
  "groups plan": "groups plan -f groups.yaml",
  "groups apply": "groups apply -f groups.yaml --dry-run",
  "groups list": "groups list --watch",
  "groups get": "groups get ORDERS billing -o json",
  "groups pause": "groups pause ORDERS billing",
  "groups resume": "groups resume ORDERS billing",
  "groups reset": "groups reset ORDERS billing --to-sequence 1 --dry-run",
  "groups delete": "groups delete ORDERS billing --confirm billing",
  "members list": "members list --stream ORDERS --degraded",
  "members drain": "members drain ORDERS billing shop-3-4711",
  "members watch": "members watch --stream ORDERS -o jsonl",
  "orders publish": "orders publish -f orders.jsonl",
  "orders get": "orders get ORDERS billing 1001",
  "dlq list": "dlq list ORDERS --group billing --error timeout --since 2h",
  "dlq count": "dlq count ORDERS --reason invalid --watch",
  "dlq totals": "dlq totals ORDERS",
  "dlq failures": "dlq failures ORDERS --since 1d",
  "dlq show": "dlq show ORDERS dl.billing.0123456789abcdef01234567.17.1767323045000000000",
  "dlq export": "dlq export ORDERS --reason invalid > invalid.jsonl",
  "dlq discard": "dlq discard ORDERS dl.billing.0123456789abcdef01234567.17.1767323045000000000",
  "dlq restore": "dlq restore ORDERS dl.billing.0123456789abcdef01234567.17.1767323045000000000",
  "dlq replay": "dlq replay ORDERS --reason exhausted --dry-run",
  "jobs create": "jobs create ORDERS --group billing --error timeout --canary 10 --rate 100 --watch",
  "jobs list": "jobs list --limit 10 -o jsonl",
  "jobs show": "jobs show 019b76da-a800-7000-8000-000000000000 --watch",
  "jobs outcomes": "jobs outcomes 019b76da-a800-7000-8000-000000000000 -o jsonl",
  "jobs pause": "jobs pause 019b76da-a800-7000-8000-000000000000",
  "jobs resume": "jobs resume 019b76da-a800-7000-8000-000000000000",
  "jobs cancel": "jobs cancel 019b76da-a800-7000-8000-000000000000",
  doctor: "doctor --strict -o json",
  verify: "verify ORDERS billing",
  "tokens create": "tokens create --name ci --role viewer --expires-in-days 30",
  "tokens list": "tokens list",
  "tokens revoke": "tokens revoke 5f3a9c --yes",
  audit: "audit --action groups.apply --limit 20",
};

/** The example of a command, named by its words: one of ours, else its arguments and the flags it cannot do without. */
export function exampleOf(name: string, command: Command): string {
  const named = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : ""));
  const needed = command.options.map((one) => (one.mandatory ? one.flags : ""));
  return examples[name] ?? [name, ...named, ...needed].filter(Boolean).join(" ");
}
