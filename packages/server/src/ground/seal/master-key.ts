import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import { SealBroken } from "./cipher.ts";
import { dataKeyIdentity } from "./data-keys.ts";
import type { Kek } from "./kek.ts";
import { dataKeysTable, masterKeysTable, peppersTable } from "./keys-table.ts";
import { type Tell, tellEvery } from "./needs.ts";
import { pepperIdentity } from "./pepper.ts";

/** How far wrapping anew has come. */
export interface Rewrapping {
  readonly total: number;
  /** Those that the master key given wraps. */
  readonly rewrapped: number;
}

/** The master key in use, and whether the former one is needed still. */
export interface MasterKeyState {
  /** Tells which key it is; says nothing about the key. */
  readonly id: string;
  readonly dataKeys: Rewrapping;
  readonly peppers: Rewrapping;
  readonly oldKeyNeeded: boolean;
}

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
}

const atOnce = 50;
const attempts = 10;

/** How many keys are wrapped by which master key. */
const countAll = async ({ db }: Pick<Needs, "db">) => {
  const peppers = new Map<string, number>();
  for (const { kekId } of await peppersTable.all(db.read)) peppers.set(kekId, (peppers.get(kekId) ?? 0) + 1);
  return { dataKeys: await dataKeysTable.countByKek(db.read), peppers };
};

/**
 * Sees that everything opens with the master keys given, and remembers that this one wraps from now on. A key that was so before does not become
 * so again: while a fleet is restarted one by one, those that still wrap with the former key leave alone what the others wrapped with the new one.
 * @throws SealBroken when something is wrapped by neither
 */
export const settleMasterKey = async ({ db, kek }: Needs): Promise<void> => {
  const { dataKeys, peppers } = await countAll({ db });
  const foreign = [...dataKeys.keys(), ...peppers.keys()].filter((id) => id !== kek.id && id !== kek.also);
  if (foreign.length > 0) {
    throw new SealBroken(
      "The store was sealed with another master key than the one given. If the master key was changed, give the former one too, in " +
        "LEGATE_MASTER_KEY_OLD (or as the file master.key.old beside master.key), until GET /v1/master-key says that it is not needed.",
    );
  }
  for (let attempt = 1; !(await masterKeysTable.isKnown(db.read, kek.id)); attempt += 1) {
    if (attempt > attempts) throw new Error("The master key could not be remembered.");
    await db.write((tx) => masterKeysTable.insertNext(tx, kek.id));
  }
};

export type MasterKey = ReturnType<typeof makeMasterKey>;

/** Wraps all data keys and peppers with the master key given, and tells how far that has come. */
export const makeMasterKey = ({ db, kek, tell }: Needs & { readonly tell: Tell }) => {
  let saidUnneeded = false;

  const state = async (): Promise<MasterKeyState> => {
    const { dataKeys, peppers } = await countAll({ db });
    const sum = (counts: ReadonlyMap<string, number>): Rewrapping => ({
      total: [...counts.values()].reduce((all, many) => all + many, 0),
      rewrapped: counts.get(kek.id) ?? 0,
    });
    const [keys, hashing] = [sum(dataKeys), sum(peppers)];
    return {
      id: kek.id,
      dataKeys: keys,
      peppers: hashing,
      oldKeyNeeded: keys.rewrapped < keys.total || hashing.rewrapped < hashing.total,
    };
  };

  const rewrapPeppers = async (also: string): Promise<void> => {
    for (const pepper of await peppersTable.all(db.read)) {
      if (pepper.kekId !== also) continue;
      const identity = pepperIdentity(pepper.id);
      const wrapped = kek.wrap(identity, kek.unwrap(also, identity, pepper.wrapped));
      await db.write((tx) => peppersTable.rewrap(tx, pepper, kek.id, wrapped));
    }
  };

  /** Whether the former key is needed still; where it is not, that is said once. */
  const isOldNeeded = async (): Promise<boolean> => {
    const { oldKeyNeeded } = await state();
    if (!oldKeyNeeded && !saidUnneeded) tell({ masterKey: kek.id }, "the old master key is no longer needed: take it away");
    saidUnneeded = !oldKeyNeeded;
    return oldKeyNeeded;
  };

  return {
    state,

    /** Does nothing on a replica whose key is not the newest: that one only opens. */
    job: {
      name: "master_key.rewrap",
      every: 5_000,
      isNeeded: async () => kek.also !== undefined && (await masterKeysTable.newest(db.read)) === kek.id && isOldNeeded(),
      run: async (signal) => {
        const { also } = kek;
        if (also === undefined) return;
        const { dataKeys, peppers } = await state();
        tell({ masterKey: kek.id, dataKeys, peppers }, "wrapping all keys with the new master key");
        let [rewrapped, told] = [0, performance.now()];
        while (!signal.aborted) {
          const keys = await dataKeysTable.wrappedBy(db.read, also, atOnce);
          if (keys.length === 0) break;
          const fresh = keys.map((key) => {
            const identity = dataKeyIdentity(key.tenant, key.id);
            return { key, wrapped: kek.wrap(identity, kek.unwrap(also, identity, key.wrapped)) };
          });
          await db.write(async (tx) => {
            for (const { key, wrapped } of fresh) await dataKeysTable.rewrap(tx, key.tenant, key, kek.id, wrapped);
          });
          rewrapped += keys.length;
          if (performance.now() - told >= tellEvery) {
            told = performance.now();
            tell({ masterKey: kek.id, rewrapped }, "wrapping goes on");
          }
        }
        if (!signal.aborted) await rewrapPeppers(also);
        tell(
          { masterKey: kek.id, ...(await state()) },
          signal.aborted ? "wrapping was interrupted and will go on" : "all keys are wrapped",
        );
        await isOldNeeded();
      },
    } satisfies Job,
  };
};
