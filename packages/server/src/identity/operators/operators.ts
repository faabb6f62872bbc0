import type { Audit } from "../../ground/audit/index.ts";
import { type Db, type Handle, makeCache } from "../../ground/db/index.ts";
import {
  anonymous,
  type Clock,
  type OperatorRole,
  type Page,
  type PageAsk,
  type Principal,
  readPage,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Pepper, Peppered } from "../../ground/seal/index.ts";
import { defaultTenant } from "../tenants/index.ts";
import { firstOperator, hintOf, isMadeKey, isOperatorKey, newOperatorId, newOperatorKey, type Operator } from "./operator.ts";
import { type Holder, operatorsTable } from "./operators-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly random: Random;
  /** Erases what rooms above hold for an admin who is deleted, is none any more, or gets another key: whoever had the former one may have made it. */
  readonly onAdminGone: (tx: Handle, who: Principal, id: string) => Promise<void>;
}

/** What an operator is made with. */
export interface NewOperator {
  readonly name: string;
  readonly role: OperatorRole;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
}

/** What may be changed of one; `null` lifts the expiry. */
export interface OperatorChange {
  readonly role?: OperatorRole | undefined;
  readonly expiresAt?: number | null | undefined;
}

export type Operators = ReturnType<typeof makeOperators>;

/** Keys that are remembered at most, with who holds them. */
const remembered = 1_000;
/** How stale `lastUsedAt` may be: a key in constant use is not written at every request. */
const touchEvery = 60_000;

/** A holder as remembered; the touch moves on without reading the row again. */
interface Known extends Holder {
  readonly foundBy: Peppered;
  lastUsedAt: number;
}

const unknown = (id: string) => new Refusal("operator_unknown", `There is no operator ${id}.`, { id });
const isFirst = (message: string) => new Refusal("first_operator", message);

export const makeOperators = ({ db, audit, pepper, clock, random, onAdminGone }: Needs) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ operator }) => [
    ["operator", operator.id],
    ["tenant", operator.tenant],
  ]);
  /** Whether the admin key is a setting: another one made here would be dead, and the one before alive again, at the next start. */
  let isKeyGiven = false;

  const make = async (tx: Handle, who: Principal, { name, role, expiresAt }: NewOperator): Promise<{ id: string; key: string }> => {
    const key = newOperatorKey(random);
    const operator: Operator = {
      tenant: who.tenant,
      id: newOperatorId(random),
      name,
      role,
      hint: hintOf(key),
      createdAt: clock(),
      expiresAt,
      lastUsedAt: undefined,
    };
    if (!(await operatorsTable.insert(tx, who.tenant, operator, await pepper.hashToStore(tx, key)))) {
      throw new Refusal("operator_exists", `There is already an operator named ${name}.`, { name });
    }
    await audit.record(tx, who, "operator.created", { target: operator.id, details: { name, role, expiresAt } });
    return { id: operator.id, key };
  };

  /** Somebody can always run the tenant, also when every expiry has passed. */
  const keepAdmin = async (tx: Handle, tenant: string, without: string): Promise<void> => {
    const lasting = await operatorsTable.lockLastingAdmins(tx, tenant);
    if (lasting.includes(without) && lasting.length === 1) {
      throw new Refusal("last_admin", "This is the last admin whose key does not expire. Make another one first.");
    }
  };

  const hold = async (tx: Handle, tenant: string, id: string): Promise<Operator> => {
    const operator = await operatorsTable.lock(tx, tenant, id);
    if (!operator) throw unknown(id);
    return operator;
  };

  return {
    /**
     * Settles who holds the admin key at start. A given key replaces the former one; without one, the first start makes one.
     * @returns the key where it was made now: the only time it can be shown
     */
    installAdminKey: (given: string | undefined): Promise<string | undefined> => {
      isKeyGiven = given !== undefined;
      return db.write(async (tx) => {
        const current = await operatorsTable.keyHash(tx, defaultTenant, firstOperator.id);
        if (given === undefined && current !== undefined) return undefined;
        const key = given ?? newOperatorKey(random);
        if (pepper.candidates(key).some(({ hash }) => hash === current)) return undefined;
        const who = anonymous(defaultTenant, "start");
        const hint = given === undefined ? hintOf(key) : undefined;
        if (current === undefined) {
          const admin: Operator = {
            tenant: defaultTenant,
            ...firstOperator,
            role: "admin",
            hint,
            createdAt: clock(),
            expiresAt: undefined,
            lastUsedAt: undefined,
          };
          if (!(await operatorsTable.insert(tx, defaultTenant, admin, await pepper.hashToStore(tx, key)))) {
            // Another replica made its first start at the same moment.
            if ((await operatorsTable.keyHash(tx, defaultTenant, firstOperator.id)) !== undefined) return undefined;
            throw new Error("An operator other than the first one has its name.");
          }
          await audit.record(tx, who, "operator.created", { target: firstOperator.id });
        } else {
          await operatorsTable.setKey(tx, defaultTenant, firstOperator.id, await pepper.hashToStore(tx, key), hint);
          await onAdminGone(tx, who, firstOperator.id);
          await audit.record(tx, who, "operator.key_replaced", { target: firstOperator.id });
        }
        await db.changes.announce(tx, defaultTenant, "operator", firstOperator.id);
        return given === undefined ? key : undefined;
      });
    },

    /** Makes the first admin of a tenant in the transaction that makes the tenant, and answers its key. */
    firstAdmin: async (tx: Handle, who: Principal): Promise<string> =>
      (await make(tx, who, { name: firstOperator.name, role: "admin" })).key,

    /** @returns the key, which nobody can read again. @throws Refusal operator_exists; invalid_request for an expiry that has passed */
    create: async (who: Principal, wanted: NewOperator): Promise<{ id: string; key: string }> => {
      if (wanted.expiresAt !== undefined && wanted.expiresAt <= clock()) {
        throw new Refusal("invalid_request", "The key would be dead from the beginning.", {
          issues: [{ path: "expiresAt", message: "must lie ahead" }],
        });
      }
      return db.write((tx) => make(tx, who, wanted));
    },

    /** @throws Refusal operator_unknown */
    get: async (tenant: string, id: string): Promise<Operator> => {
      const operator = await operatorsTable.byId(db.read, tenant, id);
      if (!operator) throw unknown(id);
      return operator;
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: (tenant: string, ask: PageAsk): Promise<Page<Operator>> =>
      readPage(
        [tenant, "operators"],
        ask,
        (place, most) => operatorsTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      ),

    /** @throws Refusal operator_unknown, last_admin, first_operator */
    update: (who: Principal, id: string, change: OperatorChange): Promise<Operator> =>
      db.write(async (tx) => {
        const before = await hold(tx, who.tenant, id);
        const role = change.role ?? before.role;
        const expiresAt = change.expiresAt === undefined ? before.expiresAt : (change.expiresAt ?? undefined);
        if (role === before.role && expiresAt === before.expiresAt) return before;
        if (id === firstOperator.id) throw isFirst("The first operator stays an admin, and does not expire.");
        if (role !== "admin" || expiresAt !== undefined) await keepAdmin(tx, who.tenant, id);
        const after = await operatorsTable.update(tx, who.tenant, id, { role, expiresAt });
        if (!after) throw unknown(id);
        if (before.role === "admin" && role !== "admin") await onAdminGone(tx, who, id);
        await audit.record(tx, who, "operator.updated", { target: id, details: { role, expiresAt } });
        await db.changes.announce(tx, who.tenant, "operator", id);
        return after;
      }),

    /** Nobody changes or removes the operator until the transaction ends. @throws Refusal operator_unknown */
    hold,

    /** The key dies with it. @throws Refusal operator_unknown, last_admin, first_operator */
    remove: (who: Principal, id: string): Promise<void> =>
      db.write(async (tx) => {
        const { name, role } = await hold(tx, who.tenant, id);
        if (id === firstOperator.id) throw isFirst("The first operator cannot be deleted.");
        await keepAdmin(tx, who.tenant, id);
        await operatorsTable.remove(tx, who.tenant, id);
        await onAdminGone(tx, who, id);
        await audit.record(tx, who, "operator.deleted", { target: id, details: { name, role } });
        await db.changes.announce(tx, who.tenant, "operator", id);
      }),

    /** @returns the new key; the one before is dead, and the access keys with it. @throws Refusal operator_unknown; first_operator where its key is a setting */
    rotateKey: (who: Principal, id: string): Promise<{ id: string; key: string }> =>
      db.write(async (tx) => {
        if (id === firstOperator.id && who.tenant === defaultTenant && isKeyGiven) {
          throw isFirst("The admin key is given as LEGATE_ADMIN_KEY: give another one there.");
        }
        const key = newOperatorKey(random);
        if (!(await operatorsTable.setKey(tx, who.tenant, id, await pepper.hashToStore(tx, key), hintOf(key)))) throw unknown(id);
        await onAdminGone(tx, who, id);
        await audit.record(tx, who, "operator.key_replaced", { target: id });
        await db.changes.announce(tx, who.tenant, "operator", id);
        return { id, key };
      }),

    /** Whether this is a key that was made here and is remembered: nothing is read for it. Of keys that somebody chose, nothing is told. */
    isKeyKnown: async (key: string): Promise<boolean> => {
      if (!isMadeKey(key)) return false;
      for (const { hash } of pepper.candidates(key)) if (await cached(hash, () => Promise.resolve(undefined))) return true;
      return false;
    },

    /**
     * Who holds this key, if it is alive: not expired, and of a tenant that is open. The keyed hash is looked up, so nothing compares the key itself,
     * and unknown and wrong take the same path.
     */
    byKey: async (key: string): Promise<Operator | undefined> => {
      if (!isOperatorKey(key)) return undefined;
      let known: Known | undefined;
      for (const foundBy of await pepper.lookups(key)) {
        known ??= await cached(foundBy.hash, async () => {
          const holder = await operatorsTable.byKey(db.read, foundBy.hash);
          return holder && { ...holder, foundBy, lastUsedAt: holder.operator.lastUsedAt ?? 0 };
        });
      }
      if (!known?.isOpen) return undefined;
      const { operator, foundBy } = known;
      const now = clock();
      if (operator.expiresAt !== undefined && operator.expiresAt <= now) return undefined;
      if (Math.abs(now - known.lastUsedAt) >= touchEvery) {
        known.lastUsedAt = now;
        // Not worth refusing anybody for: where the store cannot be written, whatever writes says so itself.
        await db
          .write(async (tx) => operatorsTable.touch(tx, operator.tenant, operator.id, foundBy, await pepper.hashToStore(tx, key), now))
          .catch(() => undefined);
      }
      return operator;
    },
  };
};
