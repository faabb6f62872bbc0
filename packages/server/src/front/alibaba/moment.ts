/** A moment as this wire writes it: ISO 8601 in UTC, to the second. */
export const moment = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
