/** Owns roles: what an agent may be turned into, here or at a cloud, and what that lets it do. */
export { type Arns, arnsIn, type Realm } from "./arn.ts";
