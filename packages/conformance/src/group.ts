import {
  type Account,
  type AttemptsRecord,
  attemptsKey,
  closeAccount,
  dlqStream,
  GroupSpec,
  type GroupSpecInput,
  type LedgerRow,
  ledgerKey,
  type MemberRecord,
  memberKey,
} from "@muster/contracts";
import { type Language, waitFor } from "@muster/testkit";
import type { ConsumerInfo, StreamInfo } from "@nats-io/jetstream";
import { accountedFor, accountEntries } from "./account.ts";
import { type Member, type MemberEnv, startMember } from "./fleet.ts";
import type { Lab } from "./lab.ts";
import { provisionConsumer, provisionDlq, provisionSource, putSpec, type SourceOptions } from "./provision.ts";
import { type Outgoing, type Published, publish } from "./publish.ts";
import { type DeadLetter, type Entry, readAttempts, readDeadLetters, readMember, readRow, readRows } from "./read.ts";
import { Tap } from "./tap.ts";

/** What a scenario says about its group; the rest is short and the same for all. */
export type SpecChanges = Partial<Omit<GroupSpecInput, "v" | "stream" | "group">>;

/** A consumer group as a scenario plays with it: published to, worked by real processes, read from outside. */
export class Group {
  readonly lab: Lab;
  readonly language: Language;
  readonly stream: string;
  readonly name: string;
  readonly tap: Tap;
  readonly published: Published[] = [];
  readonly members: Member[] = [];
  #spec: GroupSpec;

  constructor(lab: Lab, place: { language: Language; stream: string; name?: string }, changes: SpecChanges = {}) {
    this.lab = lab;
    this.language = place.language;
    this.stream = place.stream;
    this.name = place.name ?? "workers";
    this.#spec = this.#withChanges(changes);
    this.tap = new Tap(lab.nc, this.stream, this.name);
  }

  get spec(): GroupSpec {
    return this.#spec;
  }

  /** Makes the streams, the consumer and the spec. */
  async provision(source: SourceOptions = {}): Promise<void> {
    await this.provisionStreams(source);
    await this.apply();
  }

  async provisionStreams(source: SourceOptions = {}): Promise<void> {
    await provisionSource(this.lab.nc, this.lab.jsm, this.stream, source);
    await provisionDlq(this.lab.jsm, this.stream);
  }

  /** Makes the consumer, or changes it, and writes the spec. */
  async apply(changes: SpecChanges = {}): Promise<void> {
    this.#spec = this.#withChanges(changes);
    await provisionConsumer(this.lab.jsm, this.#spec);
    await putSpec(this.lab.nc, this.#spec);
  }

  /** Starts a member; does not wait until it has joined. */
  start(id: string, env: MemberEnv = {}): Member {
    const member = startMember(this.language, id, {
      NATS_URL: this.lab.server.url,
      MUSTER_STREAM: this.stream,
      MUSTER_GROUP: this.name,
      ...env,
    });
    this.members.push(member);
    return member;
  }

  /** Starts a member and waits until it has joined. */
  async join(id: string, env: MemberEnv = {}): Promise<Member> {
    const member = this.start(id, env);
    await member.said("joined");
    return member;
  }

  /** Publishes an order under a new event id, unless told otherwise. */
  async publish(message: Outgoing = {}): Promise<Published> {
    const eventId = message.eventId === undefined ? `${this.stream}-${this.published.length + 1}.created` : message.eventId;
    const subject = `${this.stream}.${message.event ?? "created"}`;
    const published = await publish(this.lab.nc, subject, { ...message, eventId });
    this.published.push(published);
    return published;
  }

  row(eventId: string): Promise<Entry<LedgerRow> | undefined> {
    return readRow(this.lab.jsm, ledgerKey(this.stream, this.name, eventId));
  }

  rows(): Promise<Entry<LedgerRow>[]> {
    return readRows(this.lab.jsm, `${this.stream}.${this.name}`);
  }

  deadLetters(): Promise<DeadLetter[]> {
    return readDeadLetters(this.lab.jsm, this.stream, this.name);
  }

  async attempts(seq: number): Promise<AttemptsRecord | undefined> {
    return (await readAttempts(this.lab.jsm, attemptsKey(this.stream, this.name, seq)))?.value;
  }

  member(id: string): Promise<Entry<MemberRecord> | undefined> {
    return readMember(this.lab.jsm, memberKey(this.stream, this.name, id));
  }

  consumer(): Promise<ConsumerInfo> {
    return this.lab.jsm.consumers.info(this.stream, this.name);
  }

  streamInfo(): Promise<StreamInfo> {
    return this.lab.jsm.streams.info(this.stream);
  }

  /** Waits until the group has settled everything: nothing waits, nothing is in flight or backing off. */
  async settled(timeoutMs = 30_000): Promise<void> {
    await waitFor(
      `${this.stream} to be settled`,
      async () => {
        const { num_pending, num_ack_pending } = await this.consumer();
        const { config, state } = await this.streamInfo();
        const isEmpty = config.retention !== "workqueue" || state.messages === 0;
        return num_pending === 0 && num_ack_pending === 0 && isEmpty;
      },
      { timeoutMs },
    );
  }

  /** Waits for the first thing that matches. */
  async until<T>(what: string, check: () => T | Promise<T>, timeoutMs = 15_000): Promise<NonNullable<T>> {
    return waitFor(`${this.stream}: ${what}`, check, { timeoutMs });
  }

  /**
   * Settles, and then closes the account: every event is done once or dead once, every sequence is
   * found in a row or a dead letter, and every dead letter has the bytes that were published.
   */
  async account(timeoutMs?: number): Promise<Account & { unaccounted: number[]; changedBytes: number[] }> {
    await this.settled(timeoutMs);
    const [rows, letters] = [await this.rows(), await this.deadLetters()];
    const account = closeAccount(accountEntries(this.published, rows, letters));
    return { ...account, ...accountedFor(this.published, rows, letters) };
  }

  /** Kills what still runs and removes the streams. */
  async close(): Promise<void> {
    for (const { proc } of this.members) await proc[Symbol.asyncDispose]();
    if (this.lab.nc.isClosed()) return;
    for (const name of [this.stream, dlqStream(this.stream)]) {
      await this.lab.jsm.streams.delete(name).catch(() => false);
    }
  }

  #withChanges(changes: SpecChanges): GroupSpec {
    return GroupSpec.parse({
      v: 1,
      stream: this.stream,
      group: this.name,
      contracts: ["order.v1"],
      subjects: [`${this.stream}.>`],
      ack_wait_ms: 1500,
      ...this.#spec,
      ...changes,
      retry: { max_attempts: 3, backoff_ms: [100, 200], ...this.#spec?.retry, ...changes.retry },
    });
  }
}
