import type { Db, Handle } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import { decrypt, encrypt, SealBroken } from "./cipher.ts";
import type { Kek } from "./kek.ts";
import { keysTable, type WrappedKey } from "./keys-table.ts";

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
}

/** Seals secrets for one row of one tenant. A sealed text reads `s1.<data key id>.<base64url>`, so that the key's id stands on the row. */
export interface Seal {
  /**
   * @param tx The transaction that stores the sealed text: a tenant's first data key is made in it.
   * @param identity Which field of which row: `providers/prv_1/secret`. It opens there and nowhere else.
   */
  seal(tx: Handle, tenant: string, identity: string, plaintext: string): Promise<string>;
  /** @throws SealBroken when it was altered, moved, or sealed for another tenant */
  open(tenant: string, identity: string, sealed: string): Promise<string>;
}

const aad = (tenant: string, identity: string) => `${tenant}\0${identity}`;
const dataKeyIdentity = (tenant: string, id: string) => `data_keys/${tenant}/${id}`;

export const makeSeal = ({ db, kek, clock, random }: Needs): Seal => {
  /** Opened data keys by tenant and id. They never change, so nothing need be dropped. */
  const opened = new Map<string, Buffer>();
  /** The newest data key of a tenant, once it is certain to be committed. */
  const newest = new Map<string, string>();
  const uncertain = new Set<string>();

  const unwrap = (tenant: string, key: WrappedKey): Buffer => {
    const name = `${tenant}/${key.id}`;
    const known = opened.get(name);
    if (known) return known;
    if (key.kekId !== kek.id) throw new SealBroken("A data key is wrapped by another master key than the one given.");
    const plain = kek.unwrap(dataKeyIdentity(tenant, key.id), key.wrapped);
    opened.set(name, plain);
    return plain;
  };

  const sealingKey = async (tx: Handle, tenant: string): Promise<readonly [id: string, key: Buffer]> => {
    const id = newest.get(tenant);
    const known = id === undefined ? undefined : opened.get(`${tenant}/${id}`);
    if (id !== undefined && known) return [id, known];
    const stored = await keysTable.newestDataKey(tx, tenant);
    if (stored) {
      // One made here may stand in a transaction that is yet to fail; it is relied on only when it was read outside of any.
      if (!uncertain.has(stored.id)) newest.set(tenant, stored.id);
      return [stored.id, unwrap(tenant, stored)];
    }
    const made = random(32);
    const madeId = `dk_${random(8).toString("hex")}`;
    uncertain.add(madeId);
    await keysTable.insertDataKey(
      tx,
      tenant,
      { id: madeId, kekId: kek.id, wrapped: kek.wrap(dataKeyIdentity(tenant, madeId), made) },
      clock(),
    );
    return [madeId, made];
  };

  return {
    seal: async (tx, tenant, identity, plaintext) => {
      const [id, key] = await sealingKey(tx, tenant);
      return `s1.${id}.${encrypt(key, aad(tenant, identity), Buffer.from(plaintext, "utf8"), random)}`;
    },
    open: async (tenant, identity, sealed) => {
      const [version, id, text, ...more] = sealed.split(".");
      if (version !== "s1" || id === undefined || text === undefined || more.length > 0)
        throw new SealBroken("A sealed text has an unknown form.");
      const known = uncertain.has(id) ? undefined : opened.get(`${tenant}/${id}`);
      if (known) return decrypt(known, aad(tenant, identity), text).toString("utf8");
      const stored = await keysTable.dataKey(db.read, tenant, id);
      if (!stored) throw new SealBroken("The data key of a sealed text is missing.");
      uncertain.delete(id);
      return decrypt(unwrap(tenant, stored), aad(tenant, identity), text).toString("utf8");
    },
  };
};
