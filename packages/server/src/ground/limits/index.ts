/** Owns rate limits, shared by every dialect and every replica. */
export {};
