/**
 * Every room of the house, floor by floor, in the order in which they may know each other: a room imports only rooms that stand before it, and
 * enters them by their `index.ts`. The architecture test reads this list.
 */
export const rooms = [
  { path: "config", owns: "the settings: environment in, one checked value out, all problems at once" },
  { path: "ground/kernel", owns: "what every room knows: refusals, principals, pages, clock and randomness" },
  { path: "ground/db", owns: "the store: SQLite or PostgreSQL behind one set of queries, migrations, group commit" },
  { path: "ground/egress", owns: "the one guarded door for outbound requests" },
  { path: "ground/seal", owns: "envelope encryption of secrets at rest, and the keyed hash that looks keys up" },
  { path: "ground/audit", owns: "the record of what happened" },
  { path: "identity/tenants", owns: "tenants: who owns everything else" },
  { path: "identity/operators", owns: "people and scripts that run Legate" },
  { path: "identity/users", owns: "end users, proven or asserted" },
  { path: "identity/issuers", owns: "trusted issuers of users' tokens" },
  { path: "identity/agents", owns: "the registry of agents: who they are, who answers for them, whether they may act" },
  { path: "identity/signing", owns: "our signing keys and the key set we publish" },
  { path: "identity/tokens", owns: "every kind of token we mint or accept, and whether what a token names still stands" },
  { path: "identity/authn", owns: "the way from a proof to a principal" },
  { path: "access/providers", owns: "credential providers: what gives credentials" },
  { path: "access/vault", owns: "connections, static keys and authorization sessions" },
  { path: "front/http", owns: "the HTTP server: limits, headers, health, metrics, logs" },
  { path: "front/pages", owns: "the pages people see: consent and its endings" },
  { path: "front/native", owns: "our own wire under /v1" },
] as const;
