// How much of what a job has sent is dead again, for a job that is to stop by it.
import { replayNumberOf } from "@muster/contracts";
import { selectDeadLetters } from "../dead-letters/select.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayJob } from "./job.ts";

/** So many have to be sent before a share of them says anything. */
const LEAST_SENT = 20;

/** Counts, a part at a time, the letters of the job's groups that were replayed and came after it was created. */
export class CameBack {
  readonly #nats: Nats;
  #upTo: number;
  #count = 0;

  constructor(nats: Nats, { until_sequence }: ReplayJob) {
    this.#nats = nats;
    this.#upTo = until_sequence;
  }

  /** Why the job has to stop, or nothing. Whoever takes it over counts anew what still lies there. */
  async tooMany({ stream, filter, failure_share: share, counts }: ReplayJob) {
    if (share === undefined || counts.replayed < LEAST_SENT) return undefined;
    // By the group alone: it may have died of something else this time.
    const of = filter.group === undefined ? {} : { group: filter.group };
    for await (const letter of selectDeadLetters(this.#nats, stream, of, { afterSeq: this.#upTo })) {
      this.#upTo = Math.max(this.#upTo, letter.sequences[0] ?? 0);
      if (replayNumberOf(letter.headers["Muster-Dlq-Replay-Number"]) > 0) this.#count++;
    }
    if (this.#count <= share * counts.replayed) return undefined;
    return {
      code: "failure_share",
      message: `${this.#count} replayed letters are dead again, of ${counts.replayed} that were sent; look at them with \`dlq failures\`, and create a job for what is left when it is mended`,
    };
  }
}
