import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import { anonymous, type Clock, type Random } from "../../ground/kernel/index.ts";
import type { Pepper } from "../../ground/seal/index.ts";
import { defaultTenant } from "../tenants/index.ts";
import { firstOperator, isOperatorKey, type Operator } from "./operator.ts";
import { operatorsTable } from "./operators-table.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly random: Random;
}

export type Operators = ReturnType<typeof makeOperators>;

export const makeOperators = ({ db, audit, pepper, clock, random }: Needs) => ({
  /**
   * Settles who holds the admin key at start. A given key replaces the former one; without one, the first start makes one.
   * @returns the key where it was made now: the only time it can be shown
   */
  installAdminKey: (given: string | undefined): Promise<string | undefined> =>
    db.write(async (tx) => {
      const current = await operatorsTable.keyHash(tx, defaultTenant, firstOperator.id);
      if (given === undefined && current !== undefined) return undefined;
      const key = given ?? `op_${random(32).toString("hex")}`;
      if (pepper.candidates(key).some(({ hash }) => hash === current)) return undefined;
      const { hash, pepperId } = pepper.hash(key);
      const admin: Operator = { tenant: defaultTenant, ...firstOperator, role: "admin", expiresAt: undefined };
      await operatorsTable.setKey(tx, admin, hash, pepperId, clock());
      await audit.record(tx, anonymous(defaultTenant, "start"), current === undefined ? "operator.created" : "operator.key_replaced", {
        target: firstOperator.id,
      });
      return given === undefined ? key : undefined;
    }),

  /** Who holds this key. The keyed hash is looked up, so nothing compares the key itself, and unknown and wrong take the same path. */
  byKey: async (key: string): Promise<Operator | undefined> => {
    if (!isOperatorKey(key)) return undefined;
    let operator: Operator | undefined;
    for (const { hash } of pepper.candidates(key)) operator ??= await operatorsTable.byKey(db.read, hash);
    return operator && (operator.expiresAt === undefined || operator.expiresAt > clock()) ? operator : undefined;
  },
});
