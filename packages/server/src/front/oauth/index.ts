/** Owns the OAuth wire: its endpoints, discovery, and the pages of its consent. */
export {};
