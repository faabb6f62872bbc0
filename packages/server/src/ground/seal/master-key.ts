import type { Db } from "../db/index.ts";
import type { Job } from "../jobs/index.ts";
import type { Clock } from "../kernel/index.ts";
import { SealBroken } from "./cipher.ts";
import { dataKeyIdentity } from "./data-keys.ts";
import type { Kek } from "./kek.ts";
import { type DataKey, dataKeysTable, masterKeysTable, peppersTable, type WrappedKey } from "./keys-table.ts";
import { type Tell, tellEvery } from "./needs.ts";
import { pepperIdentity } from "./pepper.ts";

/** How far wrapping anew has come. */
export interface Rewrapping {
  readonly total: number;
  /** Those that the master key given wraps. */
  readonly rewrapped: number;
}

/** A key that does not open as it stands. */
export interface DamagedKey {
  readonly id: string;
  /** Whose data key it is; a pepper is nobody's. */
  readonly tenant?: string;
}

/** The master key in use, and whether the former one is needed still. */
export interface MasterKeyState {
  /** Tells which key it is; says nothing about the key. */
  readonly id: string;
  readonly dataKeys: Rewrapping;
  readonly peppers: Rewrapping;
  readonly oldKeyNeeded: boolean;
  /** Of the keys that the former one wraps, those that it does not open: {@link mostNamed} at most. */
  readonly damaged: readonly DamagedKey[];
}

interface Needs {
  readonly db: Db;
  readonly kek: Kek;
}

const atOnce = 50;
const attempts = 10;
/** Damaged keys that are named. */
const mostNamed = 50;
/** Keys that do not open are tried again after this. */
const triedAgainAfter = 10 * 60_000;

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
export const makeMasterKey = ({ db, kek, clock, tell }: Needs & { readonly clock: Clock; readonly tell: Tell }) => {
  let saidUnneeded = false;
  /** How many keys the last run left because they do not open, and when. */
  let stuck: { readonly many: number; readonly at: number } | undefined;

  const rewrapped = (by: string, identity: string, { wrapped }: WrappedKey): string | undefined => {
    try {
      return kek.wrap(identity, kek.unwrap(by, identity, wrapped));
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error;
      return undefined;
    }
  };
  const rewrappedDataKey = (by: string, key: DataKey) => rewrapped(by, dataKeyIdentity(key.tenant, key.id), key);
  const rewrappedPepper = (by: string, pepper: WrappedKey) => rewrapped(by, pepperIdentity(pepper.id), pepper);

  /** Looks at the first that wait to be wrapped anew: once all others are, those that do not open are among them. */
  const damagedUnder = async (also: string): Promise<readonly DamagedKey[]> => {
    const peppers = (await peppersTable.all(db.read)).filter((pepper) => pepper.kekId === also);
    const dataKeys = await dataKeysTable.wrappedBy(db.read, also, "", mostNamed);
    const damaged = [
      ...peppers.filter((pepper) => rewrappedPepper(also, pepper) === undefined).map(({ id }) => ({ id })),
      ...dataKeys.filter((key) => rewrappedDataKey(also, key) === undefined).map(({ tenant, id }) => ({ tenant, id })),
    ];
    return damaged.slice(0, mostNamed);
  };

  const progress = async (): Promise<Omit<MasterKeyState, "damaged">> => {
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

  const damaged = async (): Promise<readonly DamagedKey[]> => (kek.also === undefined ? [] : damagedUnder(kek.also));

  /** Answers how many do not open. */
  const rewrapPeppers = async (also: string): Promise<number> => {
    let broken = 0;
    for (const pepper of await peppersTable.all(db.read)) {
      if (pepper.kekId !== also) continue;
      const wrapped = rewrappedPepper(also, pepper);
      if (wrapped === undefined) broken += 1;
      else await db.write((tx) => peppersTable.rewrap(tx, pepper, kek.id, wrapped));
    }
    return broken;
  };

  /** Goes through all once, and leaves those that do not open. Answers how many these are. */
  const rewrapDataKeys = async (also: string, signal: AbortSignal): Promise<number> => {
    let [done, broken, told] = [0, 0, performance.now()];
    for (let after: string | undefined = ""; after !== undefined && !signal.aborted; ) {
      const keys: readonly DataKey[] = await dataKeysTable.wrappedBy(db.read, also, after, atOnce);
      after = keys.length === atOnce ? keys.at(-1)?.id : undefined;
      const fresh = keys.flatMap((key) => {
        const wrapped = rewrappedDataKey(also, key);
        return wrapped === undefined ? [] : { key, wrapped };
      });
      if (fresh.length > 0) {
        await db.write(async (tx) => {
          for (const { key, wrapped } of fresh) await dataKeysTable.rewrap(tx, key.tenant, key, kek.id, wrapped);
        });
      }
      done += fresh.length;
      broken += keys.length - fresh.length;
      if (performance.now() - told >= tellEvery) {
        told = performance.now();
        tell({ masterKey: kek.id, rewrapped: done }, "wrapping goes on");
      }
    }
    return broken;
  };

  /** How many keys the former one wraps still; where there are none, that it is not needed is said once. */
  const countLeft = async (): Promise<number> => {
    const { oldKeyNeeded, dataKeys, peppers } = await progress();
    if (!oldKeyNeeded && !saidUnneeded) tell({ masterKey: kek.id }, "the old master key is no longer needed: take it away");
    saidUnneeded = !oldKeyNeeded;
    return dataKeys.total - dataKeys.rewrapped + (peppers.total - peppers.rewrapped);
  };

  return {
    state: async (): Promise<MasterKeyState> => ({ ...(await progress()), damaged: await damaged() }),

    /** Does nothing on a replica whose key is not the newest: that one only opens. */
    job: {
      name: "master_key.rewrap",
      every: 5_000,
      isNeeded: async () => {
        if (kek.also === undefined || (await masterKeysTable.newest(db.read)) !== kek.id) return false;
        const left = await countLeft();
        return left > 0 && (left !== stuck?.many || Math.abs(clock() - stuck.at) >= triedAgainAfter);
      },
      run: async (signal) => {
        const { also } = kek;
        if (also === undefined) return;
        const { dataKeys, peppers } = await progress();
        tell({ masterKey: kek.id, dataKeys, peppers }, "wrapping all keys with the new master key");
        const broken = (await rewrapDataKeys(also, signal)) + (signal.aborted ? 0 : await rewrapPeppers(also));
        stuck = broken > 0 && !signal.aborted ? { many: broken, at: clock() } : undefined;
        if (broken > 0) {
          tell(
            { masterKey: kek.id, broken, damaged: await damaged() },
            "some keys do not open as they stand: they are left, and the old master key is needed as long as they are there",
          );
        }
        const done = broken > 0 ? "all other keys are wrapped" : "all keys are wrapped";
        tell({ masterKey: kek.id, ...(await progress()) }, signal.aborted ? "wrapping was interrupted and will go on" : done);
        await countLeft();
      },
    } satisfies Job,
  };
};
