// Lets a request in: by its token, at its pace, with a role that is enough.
import type { MusterError } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { RateLimit } from "./rate.ts";
import { type Actor, nobody } from "./roles.ts";
import { StreamLimit, watchLeave } from "./streams.ts";
import { actorOf } from "./tokens.ts";

/** What is known of a request before it is let in. */
export type Caller = {
  /** Told in answers, logs and the audit. */
  readonly requestId: string;
  readonly remote: string;
  /** What the Authorization header holds. */
  readonly authorization: string | undefined;
};

const FAILURES_PER_SECOND = 5;
const ASK_AGAIN_MS = 5000;

/** Who may come in. `off`: everybody, which only a control plane on loopback allows. */
export class Access {
  readonly #isOff: boolean;
  readonly #perToken: RateLimit;
  readonly #perStranger = new RateLimit(FAILURES_PER_SECOND);
  readonly #streams: StreamLimit;

  constructor({
    isOff,
    perSecond = 200,
    streams = 32,
  }: { isOff: boolean; perSecond?: number; streams?: number }) {
    this.#isOff = isOff;
    this.#perToken = new RateLimit(perSecond);
    this.#streams = new StreamLimit(streams);
  }

  /** The actor of a request. Throws `unauthorized` and `too_many_requests`. */
  async actor(nats: () => Nats, { remote, authorization }: Caller): Promise<Actor> {
    if (this.#isOff) return nobody;
    const token = tokenOf(authorization);
    if (token === undefined)
      throw this.#stranger(remote, "send Authorization: Bearer <token> (the CLI takes MUSTER_TOKEN)");
    const actor = await actorOf(nats(), token);
    if (actor === undefined)
      throw this.#stranger(remote, "the token is unknown, expired or revoked; ask an admin for another");
    if (!this.#perToken.take(actor.id)) throw tooMany();
    return actor;
  }

  /**
   * A place for a stream of this actor; `end` gives it back. `signal` aborts within seconds of the token's end, which
   * would not be one for who listens already. Throws `too_many_streams`.
   */
  stream(nats: () => Nats, { id, name }: Actor, caller: Caller): { signal: AbortSignal; end: () => void } {
    const giveBack = this.#streams.take(id);
    if (giveBack !== undefined) {
      const { signal, stop } = watchLeave(() => this.#mayStay(nats, caller), ASK_AGAIN_MS);
      const end = () => {
        stop();
        giveBack();
      };
      return { signal, end };
    }
    throw fail(
      "too_many_streams",
      `token ${name} holds too many streams open; close one, or use another token`,
    );
  }

  /** While NATS is away nobody is sent away. */
  async #mayStay(nats: () => Nats, { authorization }: Caller): Promise<boolean> {
    const token = tokenOf(authorization);
    if (this.#isOff || token === undefined) return true;
    try {
      return (await actorOf(nats(), token)) !== undefined;
    } catch {
      return true;
    }
  }

  #stranger(remote: string, what: string): Error {
    return this.#perStranger.take(remote) ? fail("unauthorized", what) : tooMany();
  }
}

function tokenOf(authorization: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]{1,200})$/i.exec(authorization ?? "")?.[1];
}

/** Why an actor may not do what needs that role. */
export function forbidden(actor: Actor, needs: string): MusterError {
  return fail("forbidden", `this needs role ${needs}, token ${actor.name} has ${actor.role}`);
}

function tooMany(): Error {
  return fail("too_many_requests", "too many requests; slow down and try again in a second");
}
