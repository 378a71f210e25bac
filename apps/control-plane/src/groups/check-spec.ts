// What a spec must be before anything is made for it.
import { checkName, checkStream, contractSchemas, GroupSpec, replayFilter } from "@muster/contracts";
import { fail } from "../errors.ts";
import { overlap } from "./subjects.ts";

const known = new Set(Object.keys(GroupSpec.shape));

/** Throws with a code and a way out when this release cannot run the group. */
export function checkSpec(spec: GroupSpec): void {
  checkStream(spec.stream);
  checkName("group", spec.group);
  const unknown = Object.keys(spec).filter((field) => !known.has(field));
  if (unknown.length > 0)
    throw fail(
      "unknown_field",
      `spec has unknown fields: ${unknown.join(", ")}; known are ${[...known].join(", ")}`,
    );
  if (spec.delivery.mode !== "pull") {
    throw fail(
      "not_in_this_release",
      `delivery mode ${spec.delivery.mode} is not in this release; use {"mode":"pull"}`,
    );
  }
  if (spec.ledger !== "kv")
    throw fail("not_in_this_release", `ledger ${spec.ledger} is not in this release; use "kv"`);
  for (const contract of spec.contracts) checkContract(contract);
  checkSubjects(spec);
}

function checkContract(contract: string): void {
  if (Object.hasOwn(contractSchemas, contract)) return;
  throw fail(
    "unknown_contract",
    `contract ${contract} is unknown; known are ${Object.keys(contractSchemas).join(", ")}`,
  );
}

function checkSubjects(spec: GroupSpec): void {
  for (const [i, subject] of spec.subjects.entries()) {
    // A filter such as `>` would also take dead letters, replays of other groups and bucket writes.
    if (
      subject.startsWith("$") ||
      subject.startsWith("_INBOX") ||
      overlap(subject, "muster.>") ||
      /^[>*]/.test(subject)
    ) {
      throw fail(
        "bad_subject",
        `subject ${subject} reaches into what belongs to NATS or Muster; begin it with a token of your own, such as orders.>`,
      );
    }
    const twin = spec.subjects.find((other, j) => j > i && overlap(subject, other));
    if (twin !== undefined)
      throw fail(
        "overlapping_filters",
        `subjects ${subject} and ${twin} of one group overlap; a message would match twice`,
      );
  }
  const longest =
    replayFilter(spec.stream, spec.group).length +
    Math.max(...spec.subjects.map((subject) => subject.length));
  if (longest > 512)
    throw fail(
      "bad_subject",
      `the subjects are too long: with the replay prefix ${longest} characters, 512 are the limit`,
    );
}
