import type { Page } from "../../ground/kernel/index.ts";

/** A moment as this wire writes it: ISO 8601, UTC, to the millisecond. */
export const moment = (milliseconds: number): string => new Date(milliseconds).toISOString();

export const momentOrNone = (milliseconds: number | undefined): string | undefined =>
  milliseconds === undefined ? undefined : moment(milliseconds);

/** A page with each item encoded. */
export const pageOf = async <T, W>(
  { items, nextCursor }: Page<T>,
  encode: (item: T) => W | Promise<W>,
): Promise<{ items: W[]; nextCursor?: string }> => ({
  items: await Promise.all(items.map(encode)),
  ...(nextCursor !== undefined && { nextCursor }),
});
