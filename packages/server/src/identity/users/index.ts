/** Owns end users, proven or asserted. */
export { assertedIssuer, type User } from "./user.ts";
export { makeUsers, type Users } from "./users.ts";
