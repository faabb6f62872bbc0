import { type Handle, prepared, type Row } from "../db/index.ts";
import { overRows } from "./audit-table.ts";
import type { BlockFilter } from "./block-filter.ts";

/** A filter and whose block it is of. */
export interface StoredFilter extends BlockFilter {
  readonly number: number;
}

/** Where a filter stands among all of a tenant: by the end of its span, then by its block. */
export type FilterPlace = Pick<StoredFilter, "lastAt" | "number">;

const insert = overRows(5, (db, rows) =>
  db.insertInto("audit_block_filters").values(
    rows.map(([tenant, lastAt, number, firstAt, filter]) => ({
      tenant_id: tenant as string,
      last_at: lastAt as number,
      number: number as number,
      first_at: firstAt as number,
      filter: filter as string,
    })),
  ),
);

const before = prepared<
  { tenant: string; lastAt: number; number: number; from: number; limit: number },
  Omit<Row<"audit_block_filters">, "tenant_id">
>((db, { tenant, lastAt, number, from, limit }) =>
  db
    .selectFrom("audit_block_filters")
    .select(["last_at", "number", "first_at", "filter"])
    .where("tenant_id", "=", tenant)
    .where("last_at", ">=", from)
    .where((eb) => eb(eb.refTuple("last_at", "number"), "<", eb.tuple(lastAt, number)))
    .orderBy("last_at", "desc")
    .orderBy("number", "desc")
    .limit(limit),
);

/** The statements of the filters; each takes the tenant first. */
export const filtersTable = {
  insert: async (tx: Handle, tenant: string, number: number, filters: readonly BlockFilter[]): Promise<void> => {
    await insert(
      tx,
      filters.flatMap(({ lastAt, firstAt, filter }) => [tenant, lastAt, number, firstAt, filter]),
    );
  },

  /** Those before a place that end at a moment or later, the last first. */
  before: async (db: Handle, tenant: string, place: FilterPlace, from: number, limit: number): Promise<readonly StoredFilter[]> => {
    const rows = await before(db, { tenant, ...place, from, limit });
    return rows.map((row) => ({ lastAt: row.last_at, number: row.number, firstAt: row.first_at, filter: row.filter }));
  },

  /** Takes away those of one block, whose first and last event were at these moments. */
  remove: async (tx: Handle, tenant: string, number: number, firstAt: number, lastAt: number): Promise<void> => {
    await tx
      .deleteFrom("audit_block_filters")
      .where("tenant_id", "=", tenant)
      .where("last_at", ">=", firstAt)
      .where("last_at", "<=", lastAt)
      .where("number", "=", number)
      .execute();
  },
};
