/**
 * Every room of the house, floor by floor, in the order in which they may know each other: a room imports only rooms that stand before it, and
 * enters them by their `index.ts`. The door of each opens with the same sentence, and the architecture test reads this list.
 */
export const rooms = [
  { path: "config", owns: "the settings: environment in, one checked value out, all problems at once" },
  {
    path: "ground/kernel",
    owns: "what every room knows: refusals, principals, pages, the shape of JSON, and the guests that come in as arguments (clock, randomness)",
  },
  {
    path: "ground/db",
    owns: "the store: SQLite or PostgreSQL behind one set of queries, its schema, its transactions, and the feed of changes between replicas",
  },
  { path: "ground/jobs", owns: "what is done in the background, on one replica at a time" },
  {
    path: "ground/egress",
    owns: "the one guarded door for outbound requests: where they may go, how long they may take and how much may come back",
  },
  { path: "ground/seal", owns: "envelope encryption of secrets at rest, and the keyed hash that looks keys up" },
  { path: "ground/replay", owns: "what may be used once: nonces, token ids, codes" },
  { path: "ground/limits", owns: "rate limits, shared by every dialect and every replica" },
  { path: "ground/audit", owns: "the record of what happened" },
  { path: "identity/tenants", owns: "tenants: who owns everything else" },
  { path: "identity/operators", owns: "the people and scripts that run Legate, and their keys" },
  { path: "identity/users", owns: "end users, proven or asserted" },
  {
    path: "identity/issuers",
    owns: "the trusted issuers of users' tokens: which they are, their keys, and whether a token of theirs holds",
  },
  { path: "identity/agents", owns: "the registry of agents: who they are, who answers for them, whether they may act" },
  {
    path: "identity/access-keys",
    owns: "key pairs for signed requests, lasting and temporary, and whether a signature holds",
  },
  { path: "identity/signing", owns: "our signing keys and the key set we publish" },
  { path: "identity/tokens", owns: "every kind of token we mint or accept, and whether what a token names still stands" },
  { path: "identity/authn", owns: "the way from a proof to a principal" },
  { path: "access/roles", owns: "roles: what an agent may be turned into, here or at a cloud, and what that lets it do" },
  { path: "access/providers", owns: "credential providers: what gives credentials, who may use it, and the protocol towards it" },
  {
    path: "access/vault",
    owns: "connections, static keys and authorization sessions: every credential an agent may be handed, and how a user's consent comes about",
  },
  { path: "access/projects", owns: "projects: the variables and integrations that a team's agents read, in lanes" },
  { path: "access/policy", owns: "policy sets, their Cedar policies, and the gateways they are attached to" },
  { path: "access/clients", owns: "OAuth clients, how they prove themselves, and the resources and scopes they may ask for" },
  {
    path: "access/grants",
    owns: "what OAuth clients are granted: one file per grant behind one host, the consents behind them, and how they end",
  },
  { path: "front/http", owns: "the HTTP server: limits, headers, health, metrics, logs" },
  { path: "front/pages", owns: "the pages people see: consent and its endings" },
  { path: "front/native", owns: "our own wire: `/v1`, its reference, and the key set" },
  { path: "front/oauth", owns: "the OAuth wire: its endpoints, discovery, and the pages of its consent" },
  { path: "front/alibaba", owns: "the wire of Alibaba Cloud Agent Identity, and of the RAM and STS calls beside it" },
  { path: "front/coze", owns: "the wire of Coze workload identity" },
] as const;
