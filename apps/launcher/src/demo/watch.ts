import type { ControlPlane } from "./control-plane.ts";
import type { Fleet } from "./fleet.ts";
import type { DemoGroup } from "./group.ts";
import { figures, type Progress, type Snapshot } from "./progress.ts";

/** Asks the control plane how the group does, and shows it. */
export class Watch {
  readonly #plane: ControlPlane;
  readonly #names: DemoGroup;
  readonly #fleet: Fleet;
  readonly #progress: Progress;
  readonly #retries = new Map<string, number>();
  #last: Snapshot | undefined;
  /** Orders that are confirmed by the stream; told by whoever publishes. */
  published = 0;

  constructor(plane: ControlPlane, names: DemoGroup, fleet: Fleet, progress: Progress) {
    this.#plane = plane;
    this.#names = names;
    this.#fleet = fleet;
    this.#progress = progress;
  }

  /** The group now. */
  async look(): Promise<Snapshot> {
    const confirmed = this.published;
    const { stream, group } = this.#names;
    const view = await this.#plane.api.groups.get.query({ stream, group });
    // What lies there was published, also when its publisher has not heard of it yet.
    const published = Math.max(confirmed, view.ready + view.ack_pending + view.dead);
    // The record of a killed worker lives until it expires; what it held is no longer in flight.
    const killed = new Set(
      this.#fleet.workers.filter((worker) => worker.isKilled).map((worker) => worker.id),
    );
    const members = view.members.map(({ id, language, state, in_flight, counts }) => {
      this.#retries.set(id, counts.retry);
      const isKilled = killed.has(id);
      return { id, language, state: isKilled ? "killed" : state, inFlight: isKilled ? 0 : in_flight };
    });
    const inFlight = Math.min(
      view.ack_pending,
      members.reduce((sum, member) => sum + member.inFlight, 0),
    );
    this.#last = {
      members,
      published,
      ready: view.ready,
      inFlight,
      backingOff: view.ack_pending - inFlight,
      // What has left the stream and is not dead is done; an order published meanwhile is none of both yet.
      done: published - view.ready - view.ack_pending - view.dead,
      retried: [...this.#retries.values()].reduce((sum, count) => sum + count, 0),
      dead: view.dead,
    };
    this.#progress.show(this.#last);
    return this.#last;
  }

  /** What the last look saw, for the message of a failed wait. */
  seen(): string {
    if (this.#last === undefined) return "nothing yet";
    const members = this.#last.members.map(({ id, state }) => `${id} ${state}`).join(", ");
    return `${figures(this.#last)}; members: ${members || "none"}`;
  }
}
