import { type RawBuilder, type SqlBool, sql } from "kysely";
import type { Place } from "../kernel/index.ts";

/** The columns that a list is ordered by. */
interface Order {
  readonly at?: string;
  readonly id?: string;
}

const beside = (sign: ">" | "<", { at = "created_at", id = "id" }: Order, place: Place): RawBuilder<SqlBool> =>
  sql<SqlBool>`(${sql.ref(at)}, ${sql.ref(id)}) ${sql.raw(sign)} (${place.at}, ${place.id})`;

/**
 * What stands after a place, in a list that begins with the oldest. As a comparison of rows it is one range of the index that gives the order, so that
 * the last page costs what the first does; the same written with `or` reads every row before it.
 */
export const newerThan = (place: Place, order: Order = {}): RawBuilder<SqlBool> => beside(">", order, place);

/** The same in a list that begins with the newest. */
export const olderThan = (place: Place, order: Order = {}): RawBuilder<SqlBool> => beside("<", order, place);
