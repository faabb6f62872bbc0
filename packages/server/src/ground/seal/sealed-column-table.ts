import { type Kysely, sql } from "kysely";
import type { ChangeKind, Handle, Row, Tables } from "../db/index.ts";
import { sealedBy } from "./data-keys.ts";

/** A sealed text and where it stands. */
export interface SealedRow {
  readonly id: string;
  /** What it is sealed to. */
  readonly identity: string;
  readonly sealed: string;
}

/** A column of sealed texts, as the room that owns it introduces it: how its rows come under another data key. Each statement takes the tenant first. */
export interface Resealable {
  readonly table: SealedTable;
  readonly column: string;
  /** What caches hear when a text is sealed anew: some hold rows for as long as they do not change. */
  readonly changes: ChangeKind | undefined;
  /** At most `most` rows under this data key whose id comes after `after`, by id. */
  under(db: Handle, tenant: string, keyId: string, after: string, most: number): Promise<readonly SealedRow[]>;
  /** Counts the rows under this data key whose id comes after `after`, `most` at most, and answers the last one's id. */
  count(db: Handle, tenant: string, keyId: string, after: string, most: number): Promise<{ readonly many: number; readonly last: string }>;
  any(db: Handle, tenant: string, keyId: string): Promise<boolean>;
  /** Puts another text where this one stands; answers false, and does nothing, where it no longer does. */
  swap(tx: Handle, tenant: string, id: string, sealed: string, fresh: string): Promise<boolean>;
}

/** The columns of a table that hold sealed texts; `sealed_at` is a moment. */
type SealedColumn<T extends keyof Tables> = Exclude<Extract<keyof Tables[T], `sealed_${string}`>, "sealed_at">;

/** A table with sealed columns. */
export type SealedTable = { [T in keyof Tables]: SealedColumn<T> extends never ? never : T }[keyof Tables];

/** How many characters of a sealed text name its key: the index over connections is made of as many. */
const named = 22;

/** What all tables with sealed columns have in common. */
interface Common {
  readonly some: { readonly tenant_id: string; readonly id: string };
}

/**
 * Introduces a sealed column.
 * @param identity What a row's text is sealed to.
 * @param changes What caches hear when it is sealed anew, where any hold such rows.
 */
export const sealedColumn = <T extends SealedTable>(
  table: T,
  column: SealedColumn<T>,
  identity: (row: Row<T>) => string,
  changes?: ChangeKind,
): Resealable => {
  // Which table it is, is known when it runs: to the types it is any with a tenant and an id.
  const handle = (db: Handle) => db as unknown as Kysely<Common>;
  const from = table as unknown as "some";
  // The numbers stand in the text of the statement: as parameters they would match no index.
  const keyOf = sql<string>`substr(${sql.ref(column)}, 1, ${sql.lit(named)})`;
  const rows = (db: Handle, tenant: string, keyId: string) =>
    handle(db).selectFrom(from).where("tenant_id", "=", tenant).where(keyOf, "=", sealedBy(keyId));

  return {
    table,
    column,
    changes,
    under: async (db, tenant, keyId, after, most) => {
      const found = await rows(db, tenant, keyId).selectAll().where("id", ">", after).orderBy("id").limit(most).execute();
      return found.map((row) => ({
        id: row.id,
        identity: identity(row as unknown as Row<T>),
        sealed: (row as unknown as Record<string, string>)[column] ?? "",
      }));
    },
    count: async (db, tenant, keyId, after, most) => {
      const some = rows(db, tenant, keyId).select("id").where("id", ">", after).orderBy("id").limit(most);
      const { many, last } = await handle(db)
        .selectFrom(some.as("found"))
        .select(({ fn }) => [fn.countAll().as("many"), fn.max("found.id").as("last")])
        .executeTakeFirstOrThrow();
      return { many: Number(many), last: last ?? "" };
    },
    any: async (db, tenant, keyId) => (await rows(db, tenant, keyId).select("id").limit(1).executeTakeFirst()) !== undefined,
    swap: async (tx, tenant, id, sealed, fresh) => {
      const { numAffectedRows } = await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${fresh}
        where tenant_id = ${tenant} and id = ${id} and ${sql.ref(column)} = ${sealed}`.execute(tx);
      return numAffectedRows === 1n;
    },
  };
};
