import { type JsonWebKey, sign } from "node:crypto";
import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Row } from "../../ground/db/index.ts";
import { anonymous, type Clock, type Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import {
  generateKey,
  newKeyId,
  privateKeyOf,
  publicKeyOf,
  publishedAfter,
  publishedBefore,
  type SigningKey,
  signsFor,
  withoutSuccessor,
} from "./signing-key.ts";
import { signingTable } from "./signing-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
}

export type Signing = ReturnType<typeof makeSigning>;

/** How long a replica may go without looking whether another made a key; far less than a key is published before it signs. */
const lookAgainAfter = 60_000;

interface Known {
  readonly keys: readonly SigningKey[];
  readonly readAt: number;
}

const identityOf = (id: string) => `signing_keys/${id}/private_jwk`;
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

export const makeSigning = ({ db, audit, seal, clock, random }: Needs) => {
  const known = new Map<string, Known>();
  const reading = new Map<string, Promise<Known>>();
  /** Opened keys never change; only `expiresAt` does. */
  const opened = new Map<string, Pick<SigningKey, "publicJwk" | "publicKey" | "privateKey">>();

  const toKey = async (tenant: string, row: Row<"signing_keys">): Promise<SigningKey> => {
    let parts = opened.get(row.id);
    if (!parts) {
      const publicJwk = JSON.parse(row.public_jwk) as JsonWebKey;
      const privateJwk = JSON.parse(await seal.open(tenant, identityOf(row.id), row.sealed_private_jwk)) as JsonWebKey;
      parts = { publicJwk, publicKey: publicKeyOf(publicJwk), privateKey: privateKeyOf(privateJwk) };
      opened.set(row.id, parts);
    }
    return { id: row.id, ...parts, signsFrom: row.signs_from, expiresAt: row.expires_at };
  };

  /** The key that signs now, and its successor once that is published. */
  const rolesOf = <K extends { readonly signs_from: number }>(rows: readonly K[], now: number) => ({
    current: rows.findLast((row) => row.signs_from <= now),
    next: rows.find((row) => row.signs_from > now),
  });

  /** Makes the first key, or the next one when the current one's time comes near. */
  const prepare = (tenant: string): Promise<Row<"signing_keys">[]> =>
    db.write(async (tx) => {
      const now = clock();
      const rows = await signingTable.live(tx, tenant, now);
      const { current, next } = rolesOf(rows, now);
      if (current && (next || now < current.signs_from + signsFor - publishedBefore)) return rows;
      const signsFrom = current ? Math.max(now + publishedBefore, current.signs_from + signsFor) : now;
      const id = newKeyId(random);
      const { publicJwk, privateJwk } = generateKey();
      await signingTable.insert(tx, tenant, {
        id,
        alg: "ES256",
        public_jwk: JSON.stringify(publicJwk),
        sealed_private_jwk: await seal.seal(tx, tenant, identityOf(id), JSON.stringify(privateJwk)),
        created_at: now,
        signs_from: signsFrom,
        expires_at: signsFrom + withoutSuccessor,
      });
      if (current) await signingTable.expireAt(tx, tenant, current.id, signsFrom + publishedAfter);
      await audit.record(tx, anonymous(tenant, "signing"), "signing_key.created", { target: id, details: { signsFrom } });
      return signingTable.live(tx, tenant, now);
    });

  const read = async (tenant: string): Promise<Known> => {
    const now = clock();
    let rows = await signingTable.live(db.read, tenant, now);
    const { current, next } = rolesOf(rows, now);
    if (!current || (!next && now >= current.signs_from + signsFor - publishedBefore)) rows = await prepare(tenant);
    const fresh = { keys: await Promise.all(rows.map((row) => toKey(tenant, row))), readAt: now };
    known.set(tenant, fresh);
    return fresh;
  };

  const keysOf = async (tenant: string): Promise<readonly SigningKey[]> => {
    const have = known.get(tenant);
    if (have && Math.abs(clock() - have.readAt) < lookAgainAfter) return have.keys;
    let under = reading.get(tenant);
    if (!under) {
      under = read(tenant).finally(() => reading.delete(tenant));
      reading.set(tenant, under);
    }
    return (await under).keys;
  };

  return {
    /** A compact JWS over the payload: ES256, by the tenant's current key, with its `kid` in the header (RFC 7515, RFC 7518 3.4). */
    sign: async (tenant: string, typ: string, payload: object): Promise<string> => {
      const keys = await keysOf(tenant);
      const now = clock();
      // A clock that was set back leaves no key due; then the oldest is the one that everybody knows.
      const key = keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys[0];
      if (!key) throw new Error("There is no signing key, though one is always made.");
      const text = `${encode({ alg: "ES256", typ, kid: key.id })}.${encode(payload)}`;
      return `${text}.${sign("sha256", Buffer.from(text), { key: key.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
    },

    /** The key that verifies, among those published now. */
    keyFor: async (tenant: string, kid: string): Promise<SigningKey | undefined> => {
      const find = (keys: readonly SigningKey[]) => keys.find(({ id, expiresAt }) => id === kid && expiresAt > clock());
      const found = find(await keysOf(tenant));
      if (found) return found;
      // Another replica may have made the tenant's very first key a moment ago; an unknown kid makes one look a second at most.
      const have = known.get(tenant);
      if (have && Math.abs(clock() - have.readAt) >= 1000) known.delete(tenant);
      return find(await keysOf(tenant));
    },

    /** The key set as published (RFC 7517). */
    keySet: async (tenant: string): Promise<{ readonly keys: readonly JsonWebKey[] }> => {
      const now = clock();
      const keys = (await keysOf(tenant)).filter(({ expiresAt }) => expiresAt > now);
      return { keys: keys.map(({ id, publicJwk }) => ({ ...publicJwk, kid: id, alg: "ES256", use: "sig" })) };
    },
  };
};
