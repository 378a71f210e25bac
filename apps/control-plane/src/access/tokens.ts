// Bearer tokens: kept as hashes, with a role and an end.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { fail } from "../errors.ts";
import { getEntry, putEntry, readBucket } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { type Actor, type Role, roles } from "./roles.ts";
import { provisionTokens, TOKENS } from "./store.ts";

const TokenRecord = z.object({
  v: z.literal(1),
  id: z.string(),
  name: z.string(),
  role: z.enum(roles),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.string(),
  expires_at: z.string().optional(),
  revoked_at: z.string().optional(),
});
type TokenRecord = z.infer<typeof TokenRecord>;

/** A token as it is shown: everything but what it is made of. */
export const Token = z
  .strictObject({
    ...TokenRecord.omit({ v: true, sha256: true }).shape,
    last_used_at: z.string().optional().describe("To the minute"),
  })
  .meta({ id: "Token" });
export type Token = z.infer<typeof Token>;

/** A token that was made; the only answer that ever holds it. */
export const CreatedToken = z
  .strictObject({
    token: z.string().describe("The secret: shown this once"),
    id: z.string(),
    name: z.string(),
    role: z.enum(roles),
    expires_at: z.string().optional(),
  })
  .meta({ id: "CreatedToken" });

/** A token that was ended. */
export const RevokedToken = z
  .strictObject({ id: z.string(), revoked_at: z.string() })
  .meta({ id: "RevokedToken" });
export type RevokedToken = z.infer<typeof RevokedToken>;

const tokenRe = /^mst_([A-Za-z0-9]{10})_([A-Za-z0-9_-]{43})$/;
const ID_BYTES = 5;
const SECRET_BYTES = 32;
/** A use is noted at most this often, so that reading does not write. */
const NOTE_MS = 60_000;

/** Makes a token; the only time that anybody sees it. `key`: made once under this name, or nothing. */
export async function createToken(
  nats: Nats,
  { name, role, expiresAt }: { name: string; role: Role; expiresAt?: string | undefined },
  key?: string,
): Promise<{ token: string; id: string } | undefined> {
  await provisionTokens(nats);
  const id = key ?? randomBytes(ID_BYTES).toString("hex");
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const record: TokenRecord = {
    v: 1,
    id,
    name,
    role,
    sha256: digest(secret).toString("hex"),
    created_at: new Date().toISOString(),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
  if ((await putEntry(nats, TOKENS, id, JSON.stringify(record), 0)) === "conflict") return undefined;
  return { token: `mst_${id}_${secret}`, id };
}

/** Whose token it is; nothing where it is none, or one that has ended. Takes as long for each. */
export async function actorOf(nats: Nats, token: string): Promise<Actor | undefined> {
  const [, id, secret] = tokenRe.exec(token) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const entry = await getEntry(nats, TOKENS, id).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "no_bucket") return undefined;
    throw error;
  });
  const record = entry?.value === undefined ? undefined : parse(entry.value);
  const isRight = timingSafeEqual(digest(secret), Buffer.from(record?.sha256 ?? "0".repeat(64), "hex"));
  if (record === undefined || !isRight || hasEnded(record)) return undefined;
  await noteUse(nats, id);
  return { id, name: record.name, role: record.role };
}

/** All tokens, those that have ended too. */
export async function listTokens(nats: Nats): Promise<Token[]> {
  const tokens: Token[] = [];
  const entries = await readBucket(nats, TOKENS, ">");
  for (const [key, { value }] of entries) {
    const record = key.startsWith("used.") ? undefined : parse(value);
    if (record === undefined) continue;
    const { v: _v, sha256: _hash, ...shown } = record;
    const used = entries.get(`used.${key}`)?.value;
    tokens.push({
      ...shown,
      ...(used === undefined ? {} : { last_used_at: new TextDecoder().decode(used) }),
    });
  }
  return tokens.toSorted((a, b) => (a.created_at < b.created_at ? -1 : 1));
}

/** Ends a token, at once and for all control planes. Safe to repeat. */
export async function revokeToken(nats: Nats, id: string): Promise<RevokedToken> {
  const entry = /^[A-Za-z0-9]{1,20}$/.test(id)
    ? await getEntry(nats, TOKENS, id).catch(() => undefined)
    : undefined;
  const record = entry?.value === undefined ? undefined : parse(entry.value);
  if (entry === undefined || record === undefined)
    throw fail("not_found", `there is no token ${id}; \`tokens list\` shows those there are`);
  if (record.revoked_at !== undefined) return { id, revoked_at: record.revoked_at };
  const revoked_at = new Date().toISOString();
  const written = await putEntry(nats, TOKENS, id, JSON.stringify({ ...record, revoked_at }), entry.revision);
  return written === "conflict" ? await revokeToken(nats, id) : { id, revoked_at };
}

const noted = new Map<string, number>();

/** A note that cannot be made keeps nobody out. */
async function noteUse(nats: Nats, id: string): Promise<void> {
  const now = Date.now();
  if (now - (noted.get(id) ?? 0) < NOTE_MS) return;
  noted.set(id, now);
  const key = `used.${id}`;
  try {
    const before = await getEntry(nats, TOKENS, key);
    // Two at once: the other one's note is as good.
    await putEntry(nats, TOKENS, key, new Date(now).toISOString(), before?.revision ?? 0);
  } catch {
    noted.delete(id);
  }
}

function hasEnded({ revoked_at, expires_at }: TokenRecord): boolean {
  return revoked_at !== undefined || (expires_at !== undefined && Date.parse(expires_at) <= Date.now());
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function parse(value: Uint8Array): TokenRecord | undefined {
  try {
    return TokenRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
