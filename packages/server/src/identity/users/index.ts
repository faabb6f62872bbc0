/** Owns end users, proven or asserted. */
export { assertedIssuer, isAssertedIssuer, type User } from "./user.ts";
export { makeUsers, type Users } from "./users.ts";
