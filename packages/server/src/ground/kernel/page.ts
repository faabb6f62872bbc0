import { createHash } from "node:crypto";
import { Refusal } from "./refusal.ts";

/** How a list is asked for: at most `limit` items after `cursor`. */
export interface PageAsk {
  /** 1 to 500. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** One page; `nextCursor` is absent on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

/** The place a cursor points at: a moment and, among equals, an id. */
export interface Place {
  readonly at: number;
  readonly id: string;
}

/**
 * Which list it is: the tenant's, the name of what it lists, and what these belong to. Another selection from the same things is the same list; what
 * belongs to something else is another.
 */
export type List = readonly [tenant: string, name: string, ...of: string[]];

/**
 * Tells of which list a cursor is. There is no key in it: whoever makes up a place finds nothing there but what the list would show them anyway. So a
 * cursor works on every replica, after each restart and whatever is rotated.
 */
const markOf = (list: List, { at, id }: Place): string =>
  createHash("sha256")
    .update(JSON.stringify([...list, at, id]))
    .digest("base64url")
    .slice(0, 16);

const encodePlace = (list: List, place: Place): string =>
  Buffer.from(JSON.stringify([place.at, place.id, markOf(list, place)])).toString("base64url");

/** @throws Refusal invalid_request for anything that {@link pageFrom} did not make of this very list */
export const placeOf = (list: List, cursor: string | undefined): Place | undefined => {
  if (cursor === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (!Array.isArray(parsed) || parsed.length !== 3) throw new TypeError("not a place");
    const [at, id] = parsed as unknown[];
    if (!Number.isSafeInteger(at) || typeof id !== "string" || id.length > 128) throw new TypeError("not a place");
    // An escape can write what no text here may hold.
    if (!id.isWellFormed() || id.includes("\0")) throw new TypeError("not text");
    const place = { at: at as number, id };
    if (encodePlace(list, place) !== cursor) throw new TypeError("not canonical, or of another list");
    return place;
  } catch {
    throw new Refusal("invalid_request", "The cursor is not one that this server gave out for this list.", {
      issues: [{ path: "cursor", message: "unknown cursor" }],
    });
  }
};

/**
 * Makes a page of rows that were fetched with `limit + 1`.
 * @param stopped Where fetching broke off before there were as many, if it did: the next page goes on there
 */
export const pageFrom = <T>(list: List, rows: readonly T[], limit: number, place: (row: T) => Place, stopped?: Place): Page<T> => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next = rows.length > limit && last ? place(last) : stopped;
  return next ? { items, nextCursor: encodePlace(list, next) } : { items };
};

/**
 * Reads one page of a list.
 * @param read Answers at most `most` rows after a place, or from the beginning.
 * @throws Refusal invalid_request for a cursor that is not of this list
 */
export const readPage = async <T>(
  list: List,
  { limit, cursor }: PageAsk,
  read: (place: Place | undefined, most: number) => Promise<readonly T[]>,
  place: (row: T) => Place,
): Promise<Page<T>> => pageFrom(list, await read(placeOf(list, cursor), limit + 1), limit, place);
