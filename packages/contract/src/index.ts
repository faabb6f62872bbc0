/** Legate's own wire: every operation as one value, the schemas they are made of, and the closed set of error codes. */
export { agent, agentChange, agentKey, agentName, agentRef, newAgent } from "./agents.ts";
export { auditEvent } from "./audit.ts";
export { type Code, codes } from "./codes.ts";
export { connection, reservedParameters } from "./credentials.ts";
export { errorAnswer } from "./errors.ts";
export { pageQuery } from "./fields.ts";
export { impact, mostNamed } from "./impact.ts";
export { clientAuth, issuer, issuerChange, newIssuer } from "./issuers.ts";
export { dataKey, masterKey, pepper, signingKey } from "./keys.ts";
export { type Nothing, nothing, type Operation, operation, type Right } from "./operation.ts";
export { operations } from "./operations.ts";
export { operator } from "./operators.ts";
export { makeOpenApi, type OpenApiFor } from "./openapi.ts";
export { integration, project, variable } from "./projects.ts";
export { flow, newProvider, provider, providerChange, providerKind } from "./providers.ts";
export { tenant, tenantName } from "./tenants.ts";
export { user } from "./users.ts";
