import type { JsonWebKey } from "node:crypto";
import type { Db } from "../../ground/db/index.ts";
import { type Clock, makeRecent } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { privateIdentity, privateKeyOf, publicKeyOf, publishedBefore, type SigningKey, signsFor } from "./signing-key.ts";
import { type KeyRow, signingTable } from "./signing-table.ts";

interface Needs {
  readonly db: Db;
  readonly seal: Seal;
  readonly clock: Clock;
  /** Makes the key that a tenant lacks now, and answers those that are live then. */
  readonly prepare: (tenant: string) => Promise<KeyRow[]>;
  /** Tenants whose keys are known at least. A key takes five kilobytes, most of them outside the heap. */
  readonly remembered?: number;
}

interface Known {
  readonly keys: readonly SigningKey[];
  readonly readAt: number;
}

/** How often a key id that nobody knows makes one look, at most. */
const lookAgainAfter = 1000;

/** The key that signs now, and its successor once that is published. Keys come in the order in which they sign. */
export const rolesOf = <K>(
  keys: readonly K[],
  now: number,
  signsFrom: (key: K) => number,
): { readonly current: K | undefined; readonly next: K | undefined } => ({
  current: keys.findLast((key) => signsFrom(key) <= now),
  next: keys.find((key) => signsFrom(key) > now),
});

/** Whether the schedule wants another key: there is none that signs, or its time is near and nothing follows it. */
export const isKeyDue = <K>(keys: readonly K[], now: number, signsFrom: (key: K) => number): boolean => {
  const { current, next } = rolesOf(keys, now, signsFrom);
  return !current || (!next && now >= signsFrom(current) + signsFor - publishedBefore);
};

const bySigning = ({ signsFrom }: SigningKey) => signsFrom;

/**
 * The live keys of tenants, opened: known until one of them changes on any replica, or another is due by the clock, or nobody asks for them while many
 * others are asked for.
 */
export const makeLiveKeys = ({ db, seal, clock, prepare, remembered = 1_000 }: Needs) => {
  const known = makeRecent<Known>(remembered);
  const reading = new Map<string, Promise<Known>>();
  /** Opened keys never change; only when they sign does. */
  const opened = makeRecent<Pick<SigningKey, "publicJwk" | "publicKey" | "privateKey">>(remembered);

  db.changes.subscribe((change) => {
    if (!change) {
      known.clear();
      reading.clear();
      opened.clear();
    } else if (change.kind === "signing_key") {
      known.delete(change.tenant);
      // What is being read now may have been read before the change.
      reading.delete(change.tenant);
      opened.delete(change.target);
    }
  });

  const toKey = async (tenant: string, row: KeyRow): Promise<SigningKey> => {
    let parts = opened.get(row.id);
    if (!parts) {
      const publicJwk = JSON.parse(row.public_jwk) as JsonWebKey;
      const privateJwk = JSON.parse(await seal.open(tenant, privateIdentity(row.id), row.sealed_private_jwk)) as JsonWebKey;
      parts = { publicJwk, publicKey: publicKeyOf(publicJwk), privateKey: privateKeyOf(privateJwk) };
      opened.set(row.id, parts);
    }
    return { id: row.id, ...parts, signsFrom: row.signs_from, expiresAt: row.expires_at };
  };

  const read = async (tenant: string): Promise<Known> => {
    const now = clock();
    let rows = await signingTable.live(db.read, tenant, now);
    if (isKeyDue(rows, now, (row) => row.signs_from)) rows = await prepare(tenant);
    return { keys: await Promise.all(rows.map((row) => toKey(tenant, row))), readAt: now };
  };

  const readOnce = (tenant: string): Promise<Known> => {
    const under = reading.get(tenant);
    if (under) return under;
    const fresh: Promise<Known> = read(tenant)
      .then((keys) => {
        if (reading.get(tenant) === fresh && db.changes.isCurrent()) known.set(tenant, keys);
        return keys;
      })
      .finally(() => {
        if (reading.get(tenant) === fresh) reading.delete(tenant);
      });
    reading.set(tenant, fresh);
    return fresh;
  };

  const of = async (tenant: string): Promise<Known> => {
    const have = db.changes.isCurrent() ? known.get(tenant) : undefined;
    return have && !isKeyDue(have.keys, clock(), bySigning) ? have : readOnce(tenant);
  };

  return {
    /** In the order in which they sign. */
    of: async (tenant: string): Promise<readonly SigningKey[]> => {
      const now = clock();
      return (await of(tenant)).keys.filter(({ expiresAt }) => expiresAt > now);
    },

    /** Where one of this id is not known, another replica may have made it a moment ago: this looks again, a second after the last look. */
    find: async (tenant: string, kid: string): Promise<SigningKey | undefined> => {
      const among = ({ keys }: Known) => keys.find(({ id, expiresAt }) => id === kid && expiresAt > clock());
      const have = await of(tenant);
      const found = among(have);
      if (found || Math.abs(clock() - have.readAt) < lookAgainAfter) return found;
      return among(await readOnce(tenant));
    },
  };
};
