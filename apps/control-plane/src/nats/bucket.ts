// Key-value buckets as the protocol's "Wire" section has them: direct gets, and puts by compare and set.
import { Empty, type Payload, RequestError } from "@nats-io/nats-core";
import { fail } from "../errors.ts";
import type { Nats } from "./connection.ts";
import { publish, type Published } from "./publish.ts";
import { lastOfMany, leaderLast, MOST_SUBJECTS, scanStream, type Stored } from "./scan.ts";

const TIMEOUT_MS = 5000;
const WRONG_LAST_SEQUENCE = 10071;
const NO_MESSAGE_TTL = 10166;

/** What a key holds: no value means deleted, and the revision is then its marker's. */
export type Entry = { value: Uint8Array | undefined; revision: number };

/** The stream behind a bucket. */
export function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

/**
 * What is under the key, or nothing, as any replica has it: one that lags behind may not have it yet, or an older
 * revision. Throws `no_bucket` when the bucket is not there.
 */
export async function getEntry(nats: Nats, bucket: string, key: string): Promise<Entry | undefined> {
  const subject = `$JS.API.DIRECT.GET.${bucketStream(bucket)}.$KV.${bucket}.${key}`;
  const answer = await nats.nc.request(subject, Empty, { timeout: TIMEOUT_MS }).catch((error: unknown) => {
    if (error instanceof RequestError && error.isNoResponders()) throw missing(bucket, error);
    throw error;
  });
  const headers = answer.headers;
  const revision = Number(headers?.last("Nats-Sequence") || 0);
  if (revision > 0) return { value: isMarker(headers) ? undefined : answer.data, revision };
  if (headers?.code === 404) return undefined;
  throw fail(
    "nats_error",
    `get of ${key} in ${bucket} failed: ${headers?.code ?? 0} ${headers?.description ?? ""}`,
  );
}

/**
 * As {@link getEntry}, for many keys in few requests: those of which the server has something. `hasExpired`: it is its
 * own marker, of a value that grew too old.
 */
export async function getEntries(
  nats: Nats,
  bucket: string,
  keys: readonly string[],
): Promise<Map<string, Entry & { hasExpired: boolean }>> {
  const entries = new Map<string, Entry & { hasExpired: boolean }>();
  for (let at = 0; at < keys.length; at += MOST_SUBJECTS) {
    const subjects = keys.slice(at, at + MOST_SUBJECTS).map((key) => `$KV.${bucket}.${key}`);
    for (const message of await lastOfMany(nats, bucketStream(bucket), subjects)) {
      const { key, ...entry } = toChange(bucket, message);
      entries.set(key, { ...entry, hasExpired: Boolean(message.headers?.last("Nats-Marker-Reason")) });
    }
  }
  return entries;
}

/** As {@link getEntry}, but as the leader has it: for what is concluded from a miss, or from what is not there yet. */
export async function leaderEntry(nats: Nats, bucket: string, key: string): Promise<Entry | undefined> {
  try {
    const message = await leaderLast(nats, bucketStream(bucket), `$KV.${bucket}.${key}`);
    if (message === undefined) return undefined;
    const { value, revision } = toChange(bucket, message);
    return { value, revision };
  } catch (error) {
    throw isMissing(error) ? missing(bucket, error) : error;
  }
}

/** As {@link getEntry}, but a key that a replica does not have is asked of the leader. */
export async function findEntry(nats: Nats, bucket: string, key: string): Promise<Entry | undefined> {
  return (await getEntry(nats, bucket, key)) ?? (await leaderEntry(nats, bucket, key));
}

/** As `read`, by default {@link getEntry}, the value as text; deleted is nothing, and so is a bucket that was never made. */
export async function getText(
  nats: Nats,
  bucket: string,
  key: string,
  read = getEntry,
): Promise<string | undefined> {
  try {
    const entry = await read(nats, bucket, key);
    return entry?.value === undefined ? undefined : new TextDecoder().decode(entry.value);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes the key if it still is at `revision` (0: absent); gives the new revision, or "conflict". */
export async function putEntry(
  nats: Nats,
  bucket: string,
  key: string,
  value: Payload,
  revision: number,
): Promise<number | "conflict"> {
  return revisionOf(bucket, key, await write(nats, bucket, key, value, { [EXPECTED]: String(revision) }));
}

/**
 * Deletes the key if it still is at `revision`; says whether it did. What is left is a marker, which takes the place of
 * a key for ever, or for `markerTtl` (`1h`) where the bucket knows that.
 */
export async function deleteEntry(
  nats: Nats,
  bucket: string,
  key: string,
  revision: number,
  markerTtl?: string,
): Promise<boolean> {
  const headers = { [EXPECTED]: String(revision), "KV-Operation": "DEL" };
  const ttl = markerTtl === undefined ? {} : { "Nats-TTL": markerTtl };
  let answer = await write(nats, bucket, key, Empty, { ...headers, ...ttl });
  // A bucket that others made, or an older version of ours.
  if (markerTtl !== undefined && answer.type === "refused" && answer.errCode === NO_MESSAGE_TTL)
    answer = await write(nats, bucket, key, Empty, headers);
  return revisionOf(bucket, key, answer) !== "conflict";
}

const EXPECTED = "Nats-Expected-Last-Subject-Sequence";

async function write(
  nats: Nats,
  bucket: string,
  key: string,
  value: Payload,
  headers: Record<string, string>,
): Promise<Published> {
  return await publish(nats, `$KV.${bucket}.${key}`, value, headers);
}

function revisionOf(bucket: string, key: string, answer: Published): number | "conflict" {
  if (answer.type === "stored") return answer.seq;
  if (answer.type === "no_stream") throw missing(bucket);
  if (answer.errCode === WRONG_LAST_SEQUENCE) return "conflict";
  throw fail("nats_error", `put of ${key} in ${bucket} failed: ${answer.error} (${answer.errCode})`);
}

/** The last values of the keys that match `filter`, markers left out; empty when there is no such bucket. */
export async function readBucket(
  nats: Nats,
  bucket: string,
  filter: string,
): Promise<Map<string, { value: Uint8Array; revision: number }>> {
  const entries = new Map<string, { value: Uint8Array; revision: number }>();
  try {
    for await (const { key, value, revision } of readChanges(nats, bucket, filter)) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, { value, revision });
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return entries;
}

/** What was written to the keys that match `filter`, from a revision on, up to another. Throws `no_stream`. */
export async function* readChanges(
  nats: Nats,
  bucket: string,
  filter: string,
  from = 1,
  upTo = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Entry & { key: string }> {
  const options = { filter: `$KV.${bucket}.${filter}`, from, upTo };
  for await (const message of scanStream(nats, bucketStream(bucket), options))
    yield toChange(bucket, message);
}

/** What a message of a bucket's stream says of its key. */
export function toChange(bucket: string, { subject, headers, data, seq }: Stored): Entry & { key: string } {
  const key = subject.slice(`$KV.${bucket}.`.length);
  return { key, value: isMarker(headers) ? undefined : data, revision: seq };
}

function isMarker(headers: { last(name: string): string } | undefined): boolean {
  const operation = headers?.last("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || Boolean(headers?.last("Nats-Marker-Reason"));
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "no_bucket" || error.code === "no_stream")
  );
}

function missing(bucket: string, cause?: unknown): Error {
  return fail(
    "no_bucket",
    `bucket ${bucket} is not there, or JetStream is off; \`groups apply\` makes it`,
    cause,
  );
}
