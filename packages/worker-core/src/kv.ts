import type { MsgHdrs } from "@nats-io/transport-node";
import { MusterError } from "@muster/contracts";
import { encodeHeaders, readHeaders, readStatus } from "./headers.ts";
import { readPubAck } from "./pub-ack.ts";
import type { Wire } from "./wire.ts";

/** What a bucket has under a key; a deleted key still has a revision to compare with. */
export type KvEntry =
  | { kind: "absent"; revision: 0 }
  | { kind: "deleted"; revision: number }
  | { kind: "value"; revision: number; value: Uint8Array };

/** A put that was made, with its revision, or one that somebody else's came before. */
export type KvPut = { ok: true; revision: number } | { ok: false };

const wrongLastSequence = 10071;
const notFound = 404;
const absent: KvEntry = { kind: "absent", revision: 0 };
const expectNone = encodeHeaders({ "Nats-Expected-Last-Subject-Sequence": "0" });

/** Raw key-value requests: no streams API, so that it needs the least permissions and crosses accounts. */
export class Kv {
  readonly #wire: Wire;
  readonly #apiPrefix: string;

  constructor(wire: Wire, apiPrefix: string) {
    this.#wire = wire;
    this.#apiPrefix = apiPrefix;
  }

  /** Throws `unreachable`. */
  async get(bucket: string, key: string): Promise<KvEntry> {
    const msg = await this.#wire.request(
      `${this.#apiPrefix}.DIRECT.GET.KV_${bucket}.$KV.${bucket}.${key}`,
      "",
    );
    if (readStatus(msg) === notFound) {
      return absent;
    }
    const { code, values } = readHeaders(msg);
    const revision = Number(values["Nats-Sequence"]);
    if (code !== 0 || !Number.isSafeInteger(revision)) {
      throw new MusterError("unreachable", `get ${bucket}/${key}: status ${code}`);
    }
    const operation = values["KV-Operation"];
    if (operation === "DEL" || operation === "PURGE" || values["Nats-Marker-Reason"]) {
      return { kind: "deleted", revision };
    }
    return { kind: "value", revision, value: msg.data };
  }

  /** Puts a value if the key's last revision is the one given (0: the key must not exist). Throws `unreachable`. */
  put(bucket: string, key: string, value: string, revision: number): Promise<KvPut> {
    const headers =
      revision === 0
        ? expectNone
        : encodeHeaders({ "Nats-Expected-Last-Subject-Sequence": String(revision) });
    return this.#write(bucket, key, value, headers);
  }

  /** Puts a value where the key does not exist or was deleted. Throws `unreachable`. */
  async create(bucket: string, key: string, value: string): Promise<KvPut> {
    const first = await this.put(bucket, key, value, 0);
    if (first.ok) {
      return first;
    }
    const entry = await this.get(bucket, key);
    return entry.kind === "value" ? { ok: false } : this.put(bucket, key, value, entry.revision);
  }

  /** Deletes a key whose last revision is the one given. Throws `unreachable`. */
  delete(bucket: string, key: string, revision: number): Promise<KvPut> {
    const headers = encodeHeaders({
      "KV-Operation": "DEL",
      "Nats-Expected-Last-Subject-Sequence": String(revision),
    });
    return this.#write(bucket, key, "", headers);
  }

  async #write(bucket: string, key: string, value: string, headers: MsgHdrs): Promise<KvPut> {
    const ack = readPubAck(await this.#wire.request(`$KV.${bucket}.${key}`, value, headers));
    if (ack.ok) {
      return { ok: true, revision: ack.sequence };
    }
    if (ack.errorCode === wrongLastSequence) {
      return { ok: false };
    }
    throw new MusterError("unreachable", `put ${bucket}/${key}: ${ack.error} (${ack.errorCode})`);
  }
}
