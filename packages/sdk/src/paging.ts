import type { CallOptions } from "./call.ts";

/** A page of a list, and where the next one begins. */
export interface Page<T> {
  readonly items: T[];
  readonly nextCursor?: string | undefined;
}

/** The three ways to read a list. */
export const list = <Q extends { readonly cursor?: string | undefined }, T>(read: (query: Q, options: CallOptions) => Promise<Page<T>>) => {
  const none = {} as Q;
  const pages = async function* (query: Q = none, options: CallOptions = {}): AsyncGenerator<Page<T>, void, undefined> {
    let next: string | undefined = query.cursor;
    do {
      const page = await read({ ...query, cursor: next }, options);
      yield page;
      next = page.nextCursor;
    } while (next !== undefined);
  };
  const all = async function* (query: Q = none, options: CallOptions = {}): AsyncGenerator<T, void, undefined> {
    for await (const page of pages(query, options)) yield* page.items;
  };
  return {
    /** One page. */
    list: (query: Q = none, options: CallOptions = {}) => read(query, options),
    /** Every page from `cursor` on, each fetched when it is asked for. */
    pages,
    /** Every item from `cursor` on, pages fetched as they are needed. */
    all,
  };
};
