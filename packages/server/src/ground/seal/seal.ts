import type { Db, Handle } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import { decrypt, encrypt, SealBroken } from "./cipher.ts";
import { type DataKeys, makeDataKeys, type OpenKey, sealedBy } from "./data-keys.ts";
import type { Kek } from "./kek.ts";

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
  readonly clock: Clock;
  readonly random: Random;
  /** Data keys that are known open at least; without it, some thousands. */
  readonly remembered?: number;
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
  /** The same secret for the same place, under this data key. @throws SealBroken as `open` */
  reseal(tenant: string, identity: string, sealed: string, keyId: string): Promise<string>;
  /** The data keys it seals with. */
  readonly keys: DataKeys;
}

const aad = (tenant: string, identity: string) => `${tenant}\0${identity}`;

export const makeSeal = ({ db, kek, clock, random, remembered }: Needs): Seal => {
  const keys = makeDataKeys({ db, kek, clock, random, remembered });

  const sealWith = ({ id, key }: OpenKey, tenant: string, identity: string, plaintext: string): string =>
    `${sealedBy(id)}.${encrypt(key, aad(tenant, identity), Buffer.from(plaintext, "utf8"), random)}`;

  const open = async (tenant: string, identity: string, sealed: string): Promise<string> => {
    const [version, id, text, ...more] = sealed.split(".");
    if (version !== "s1" || id === undefined || text === undefined || more.length > 0)
      throw new SealBroken("A sealed text has an unknown form.");
    const { key } = await keys.opening(tenant, id);
    return decrypt(key, aad(tenant, identity), text).toString("utf8");
  };

  return {
    keys,
    open,
    seal: async (tx, tenant, identity, plaintext) => sealWith(await keys.sealing(tx, tenant), tenant, identity, plaintext),
    reseal: async (tenant, identity, sealed, keyId) =>
      sealWith(await keys.opening(tenant, keyId), tenant, identity, await open(tenant, identity, sealed)),
  };
};
