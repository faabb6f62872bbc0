/** Owns what OAuth clients are granted: one file per grant behind one host, the consents behind them, and how they end. */
export {
  type AuthorizationAsk,
  type Prompt,
  prompts,
  type RequestAnswer,
  type RequestPage,
  type RequestStep,
} from "./authorization-request.ts";
export { type AuthorizationRequests, makeAuthorizationRequests } from "./authorization-requests.ts";
export { type Families, makeFamilies } from "./families.ts";
export type { Family } from "./family.ts";
export { type Grants, makeGrants } from "./grants.ts";
export type { Introspection } from "./introspection.ts";
export { makeRevocations, type Revocations } from "./revocations.ts";
export { grantsSealedColumns } from "./sealed-columns.ts";
export type { Asker, Granted, TokenAnswer, TokenRequest } from "./token-request.ts";
