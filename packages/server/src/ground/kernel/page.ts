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

const encodePlace = ({ at, id }: Place): string => Buffer.from(JSON.stringify([at, id])).toString("base64url");

/** @throws Refusal invalid_request for anything that {@link pageFrom} did not make */
export const placeOf = (cursor: string | undefined): Place | undefined => {
  if (cursor === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (!Array.isArray(parsed) || parsed.length !== 2) throw new TypeError("not a place");
    const [at, id] = parsed as unknown[];
    if (!Number.isSafeInteger(at) || typeof id !== "string" || id.length > 128) throw new TypeError("not a place");
    // An escape can write what no text here may hold.
    if (!id.isWellFormed() || id.includes("\0")) throw new TypeError("not text");
    const place = { at: at as number, id };
    if (encodePlace(place) !== cursor) throw new TypeError("not canonical");
    return place;
  } catch {
    throw new Refusal("invalid_request", "The cursor is not one that this server gave out.", {
      issues: [{ path: "cursor", message: "unknown cursor" }],
    });
  }
};

/**
 * Makes a page of rows that were fetched with `limit + 1`.
 * @param stopped Where fetching broke off before there were as many, if it did: the next page goes on there
 */
export const pageFrom = <T>(rows: readonly T[], limit: number, place: (row: T) => Place, stopped?: Place): Page<T> => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next = rows.length > limit && last ? place(last) : stopped;
  return next ? { items, nextCursor: encodePlace(next) } : { items };
};
