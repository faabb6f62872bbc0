import { type JsonWebKey, type KeyObject, sign } from "node:crypto";
import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import {
  anonymous,
  type Clock,
  makeTurns,
  type Page,
  type PageAsk,
  type Place,
  readPage,
  type Principal,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { isKeyDue, makeLiveKeys, rolesOf } from "./live-keys.ts";
import {
  erasedAfter,
  generateKey,
  newKeyId,
  privateIdentity,
  type PublicSigningKey,
  publishedAfter,
  publishedBefore,
  publishedBeforeByHand,
  type SigningKey,
  signsFor,
  withoutSuccessor,
} from "./signing-key.ts";
import { type KeyRow, signingTable } from "./signing-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
}

export type Signing = ReturnType<typeof makeSigning>;

const atOnce = 50;
const signsFromOf = (row: KeyRow) => row.signs_from;
/** ES256 (RFC 7518 3.4), on another thread: it is the longest piece of work that needs nothing of this one. */
const es256 = (text: string, key: KeyObject): Promise<string> =>
  new Promise((resolve, reject) => {
    sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }, (error, signature) => {
      if (error) reject(error);
      else resolve(signature.toString("base64url"));
    });
  });
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

const show = (row: KeyRow, signing: string | undefined, now: number): PublicSigningKey => {
  const isLive = row.expires_at > now && row.sealed_private_jwk !== "";
  return {
    id: row.id,
    alg: row.alg,
    status: row.revoked_at !== null ? "revoked" : !isLive ? "retired" : row.id === signing ? "signing" : "published",
    publicJwk: JSON.parse(row.public_jwk) as JsonWebKey,
    createdAt: row.created_at,
    signsFrom: row.signs_from,
    expiresAt: row.expires_at - row.signs_from === withoutSuccessor ? undefined : row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
  };
};

export const makeSigning = ({ db, audit, seal, clock, random }: Needs) => {
  const endOfTurn = makeTurns();

  /** Makes a key that signs from then on, for as long as nothing follows it or until what does. */
  const make = async (tx: Handle, who: Principal, signsFrom: number, next?: KeyRow): Promise<string> => {
    const id = newKeyId(random);
    const { publicJwk, privateJwk } = generateKey();
    await signingTable.expireFormer(tx, who.tenant, signsFrom, signsFrom + publishedAfter);
    await signingTable.insert(tx, who.tenant, {
      id,
      alg: "ES256",
      public_jwk: JSON.stringify(publicJwk),
      sealed_private_jwk: await seal.seal(tx, who.tenant, privateIdentity(id), JSON.stringify(privateJwk)),
      created_at: clock(),
      signs_from: signsFrom,
      expires_at: next ? next.signs_from + publishedAfter : signsFrom + withoutSuccessor,
    });
    await audit.record(tx, who, "signing_key.created", { target: id, details: { signsFrom } });
    return id;
  };

  const live = makeLiveKeys({
    db,
    seal,
    clock,
    // Nobody need be told: the clock tells every replica when to look, and one that has not looked yet will find it.
    prepare: (tenant) =>
      db.write(async (tx) => {
        await signingTable.lock(tx, tenant);
        const now = clock();
        const rows = await signingTable.live(tx, tenant, now);
        if (!isKeyDue(rows, now, signsFromOf)) return rows;
        const { current } = rolesOf(rows, now, signsFromOf);
        const signsFrom = current ? Math.max(now + publishedBefore, current.signs_from + signsFor) : now;
        await make(tx, anonymous(tenant, "signing"), signsFrom, current ? undefined : rows[0]);
        return signingTable.live(tx, tenant, now);
      }),
  });

  /** A clock that was set back leaves no key due; then the oldest is the one that everybody knows. */
  const signingNow = (keys: readonly SigningKey[]): SigningKey => {
    const now = clock();
    const key = keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys[0];
    if (!key) throw new Error("There is no signing key, though one is always made.");
    return key;
  };

  const signed = async (tenant: string, typ: string, payload: object): Promise<string> => {
    // Made and handed over side by side, signatures cost this thread less.
    await endOfTurn();
    const { id, privateKey } = signingNow(await live.of(tenant));
    const text = `${encode({ alg: "ES256", typ, kid: id })}.${encode(payload)}`;
    return `${text}.${await es256(text, privateKey)}`;
  };

  const shown = async (handle: Handle, tenant: string, rows: readonly KeyRow[]): Promise<readonly PublicSigningKey[]> => {
    const now = clock();
    const { current } = rolesOf(await signingTable.live(handle, tenant, now), now, signsFromOf);
    return rows.map((row) => show(row, current?.id, now));
  };

  const shownOne = async (tx: Handle, tenant: string, id: string): Promise<PublicSigningKey> => {
    const row = await signingTable.byId(tx, tenant, id);
    const [key] = row ? await shown(tx, tenant, [row]) : [];
    if (!key) throw new Refusal("key_unknown", "There is no such signing key.");
    return key;
  };

  return {
    /** A compact JWS over the payload: ES256, by the tenant's current key, with its `kid` in the header (RFC 7515, RFC 7518 3.4). */
    sign: signed,

    /** The key that verifies, among those published now. A revoked one is none: at once here, within two seconds on other replicas. */
    keyFor: live.find,

    /** The key set as published (RFC 7517). */
    keySet: async (tenant: string): Promise<{ readonly keys: readonly JsonWebKey[] }> => ({
      keys: (await live.of(tenant)).map(({ id, publicJwk }) => ({ ...publicJwk, kid: id, alg: "ES256", use: "sig" })),
    }),

    /** Every key there ever was, oldest first: what verifies old signatures, and which of them not to believe. */
    publicKeys: async (tenant: string): Promise<readonly PublicSigningKey[]> =>
      shown(db.read, tenant, await signingTable.all(db.read, tenant)),

    /** Newest first. */
    list: async (tenant: string, ask: PageAsk): Promise<Page<PublicSigningKey>> => {
      const read = (place: Place | undefined, most: number) => signingTable.list(db.read, tenant, place, most);
      const { items, ...more } = await readPage([tenant, "signing_keys"], ask, read, (row) => ({ at: row.created_at, id: row.id }));
      return { items: await shown(db.read, tenant, items), ...more };
    },

    /** Has the next key sign as soon as every cached key set holds it: the one that is published already, else one that is made now. */
    rotate: (who: Principal): Promise<PublicSigningKey> =>
      db.write(async (tx) => {
        await signingTable.lock(tx, who.tenant);
        const now = clock();
        const { next } = rolesOf(await signingTable.live(tx, who.tenant, now), now, signsFromOf);
        if (!next) {
          const id = await make(tx, who, now + publishedBeforeByHand);
          await db.changes.announce(tx, who.tenant, "signing_key", id);
          return shownOne(tx, who.tenant, id);
        }
        // Never later than it would have signed anyway.
        const signsFrom = Math.min(next.signs_from, Math.max(now, next.created_at + publishedBeforeByHand));
        await signingTable.setTimes(tx, who.tenant, next.id, {
          signs_from: signsFrom,
          ...(next.expires_at - next.signs_from === withoutSuccessor && { expires_at: signsFrom + withoutSuccessor }),
        });
        await signingTable.expireFormer(tx, who.tenant, signsFrom, signsFrom + publishedAfter);
        await audit.record(tx, who, "signing_key.brought_forward", { target: next.id, details: { signsFrom } });
        await db.changes.announce(tx, who.tenant, "signing_key", next.id);
        return shownOne(tx, who.tenant, next.id);
      }),

    /**
     * For a stolen key: it is gone from the key set, and what it signed is dead. If it signed, or was to sign next, a fresh one signs at once.
     * @throws Refusal key_unknown
     */
    revoke: (who: Principal, id: string): Promise<PublicSigningKey> =>
      db.write(async (tx) => {
        await signingTable.lock(tx, who.tenant);
        const now = clock();
        const { current, next } = rolesOf(await signingTable.live(tx, who.tenant, now), now, signsFromOf);
        if (!(await signingTable.revoke(tx, who.tenant, id, now))) return shownOne(tx, who.tenant, id);
        await audit.record(tx, who, "signing_key.revoked", { target: id });
        if (id === current?.id || id === next?.id) await make(tx, who, now, id === next?.id ? undefined : next);
        await db.changes.announce(tx, who.tenant, "signing_key", id);
        return shownOne(tx, who.tenant, id);
      }),

    /**
     * Every key of every tenant leaves its key set for good, and what they signed is dead; fresh ones are made when they are needed. After a backup
     * was restored, tokens that were revoked since would come back to life otherwise.
     * @param why stands in each tenant's record
     * @returns how many
     */
    retireAll: (why: string): Promise<number> =>
      db.write(async (tx) => {
        const retired = await signingTable.retireAll(tx, clock());
        for (const { tenant_id, id } of retired)
          await audit.record(tx, anonymous(tenant_id, "signing"), "signing_key.retired", { target: id, details: { why } });
        for (const { tenant_id, id } of retired) await db.changes.announce(tx, tenant_id, "signing_key", id);
        return retired.length;
      }),

    /** Erases private halves that nobody can need. Public halves stay for ever: what was signed can still be verified. */
    erase: {
      name: "signing_keys.erase",
      every: 10 * 60_000,
      isNeeded: async () => (await signingTable.erasable(db.read, clock() - erasedAfter, 1)).length > 0,
      run: async (signal) => {
        for (let more = true; more && !signal.aborted; ) {
          const keys = await signingTable.erasable(db.read, clock() - erasedAfter, atOnce);
          await db.write(async (tx) => {
            for (const { tenant_id, id } of keys) await signingTable.erase(tx, tenant_id, id);
            for (const { tenant_id, id } of keys) await db.changes.announce(tx, tenant_id, "signing_key", id);
          });
          more = keys.length === atOnce;
        }
      },
    } satisfies Job,
  };
};
