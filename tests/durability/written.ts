import { adminKey } from "../replicas/server-process.ts";

/** Every item of a list, page by page. */
export const everyItem = async <T>(url: string, path: string): Promise<readonly T[]> => {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const answer = await fetch(`${url}${path}?limit=500${cursor === undefined ? "" : `&cursor=${cursor}`}`, {
      headers: { authorization: `Bearer ${adminKey}` },
    });
    const page = (await answer.json()) as { items: T[]; nextCursor?: string };
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
};
