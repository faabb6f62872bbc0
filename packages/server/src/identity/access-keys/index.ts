/** Owns key pairs for signed requests, lasting and temporary, and whether a signature holds. */
export {};
