import type { Page, PageAsk } from "../../../ground/kernel/index.ts";
import { paging } from "../params.ts";

/** How many a page has where nobody says (wire: paging). */
const usual = 100;

/** The parameters of every paged list; a cursor that is none of ours is a `NextToken` here. */
export const listing = { params: paging, naming: { fields: { cursor: "NextToken" } } } as const;

/** What a list is read from. */
interface Source<T> {
  readonly page: (ask: PageAsk) => Promise<Page<T>>;
  readonly count: () => Promise<number>;
  readonly encode: (item: T) => object | Promise<object>;
}

/** A page as this wire answers it; `NextToken` is absent on the last one, which is how clients know it. */
export const listed = async <T>(
  name: string,
  { MaxResults = usual, NextToken }: { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined },
  { page, count, encode }: Source<T>,
): Promise<object> => {
  const [{ items, nextCursor }, total] = await Promise.all([page({ limit: MaxResults, cursor: NextToken }), count()]);
  const encoded: object[] = [];
  for (const item of items) encoded.push(await encode(item));
  return { MaxResults, TotalCount: total, [name]: encoded, NextToken: nextCursor };
};

/** What an operation answers that answers nothing. */
export const done = async (action: Promise<unknown>): Promise<object> => {
  await action;
  return {};
};
