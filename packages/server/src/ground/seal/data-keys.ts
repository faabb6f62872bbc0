import type { Db, Handle } from "../db/index.ts";
import { type Clock, makeRecent, type Random } from "../kernel/index.ts";
import { SealBroken } from "./cipher.ts";
import type { Kek } from "./kek.ts";
import { type DataKey, dataKeysTable } from "./keys-table.ts";

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
  /** Keys that are known open at least; more than can be made in transactions that are under way at once. */
  readonly remembered?: number | undefined;
}

/** A data key, open. */
export interface OpenKey {
  readonly id: string;
  readonly key: Buffer;
}

export type DataKeys = ReturnType<typeof makeDataKeys>;

/** Where a data key is wrapped to. */
export const dataKeyIdentity = (tenant: string, id: string): string => `data_keys/${tenant}/${id}`;

/** What every text that a data key sealed begins with. */
export const sealedBy = (id: string): string => `s1.${id}`;

/**
 * The data keys of all tenants, as they are needed: each is unwrapped once while it is in use, and the one that seals is known until a newer one is heard
 * of. Those of tenants that nobody has asked for lately are forgotten.
 */
export const makeDataKeys = ({ db, kek, clock, random, remembered = 5_000 }: Needs) => {
  const opened = makeRecent<OpenKey>(remembered);
  const newest = makeRecent<string>(remembered);
  /** Made here, in transactions that may yet fail. Of those that did, nobody hears. */
  const uncommitted = makeRecent<true>(remembered);
  let heard = 0;
  const nameOf = (tenant: string, id: string) => `${tenant}/${id}`;

  db.changes.subscribe((change) => {
    heard += 1;
    if (!change) {
      newest.clear();
      opened.clear();
    } else if (change.kind === "data_key") {
      newest.delete(change.tenant);
      opened.delete(nameOf(change.tenant, change.target));
      uncommitted.delete(change.target);
    }
  });

  const unwrap = ({ tenant, id, kekId, wrapped }: DataKey): OpenKey => {
    const name = nameOf(tenant, id);
    const known = opened.get(name);
    if (known) return known;
    const fresh = { id, key: kek.unwrap(kekId, dataKeyIdentity(tenant, id), wrapped) };
    opened.set(name, fresh);
    return fresh;
  };

  /** Makes the key that seals from now on, in the caller's transaction. */
  const make = async (tx: Handle, tenant: string): Promise<OpenKey & { readonly createdAt: number }> => {
    const before = await dataKeysTable.newest(tx, tenant);
    const key = random(32);
    const id = `dk_${random(8).toString("hex")}`;
    // The newest is the one that seals, also after a clock was set back.
    const createdAt = Math.max(clock(), (before?.createdAt ?? 0) + 1);
    uncommitted.set(id, true);
    await dataKeysTable.insert(tx, tenant, { id, kekId: kek.id, wrapped: kek.wrap(dataKeyIdentity(tenant, id), key), createdAt });
    await db.changes.announce(tx, tenant, "data_key", id);
    return { id, key, createdAt };
  };

  return {
    make,

    /** The key that seals; a tenant's first is made in the caller's transaction. */
    sealing: async (tx: Handle, tenant: string): Promise<OpenKey> => {
      const id = db.changes.isCurrent() ? newest.get(tenant) : undefined;
      const known = id === undefined ? undefined : opened.get(nameOf(tenant, id));
      if (known) return known;
      const before = heard;
      const stored = await dataKeysTable.newest(tx, tenant);
      if (!stored) return make(tx, tenant);
      // One made here may stand in a transaction that is yet to fail, and is relied on only once its commit was heard.
      if (heard === before && !uncommitted.get(stored.id)) newest.set(tenant, stored.id);
      return unwrap(stored);
    },

    /** The key of a text that was sealed. @throws SealBroken when there is none, or its master key was not given */
    opening: async (tenant: string, id: string): Promise<OpenKey> => {
      const known = opened.get(nameOf(tenant, id));
      if (known) return known;
      const stored = await dataKeysTable.byId(db.read, tenant, id);
      if (!stored) throw new SealBroken("The data key of a sealed text is missing.");
      return unwrap(stored);
    },
  };
};
