import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import type { Clock, Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import type { Tokens } from "../../identity/tokens/index.ts";
import type { Users } from "../../identity/users/index.ts";
import type { Providers, Upstream } from "../providers/index.ts";
import type { Connections } from "./connections.ts";

/** What authorization sessions stand on. */
export interface SessionsNeeds {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
  readonly egress: Pick<Egress, "fetch">;
  readonly tenants: { readonly issuerOf: (tenant: string) => string };
  readonly agents: Pick<Agents, "byId">;
  readonly users: Pick<Users, "byId" | "find" | "findAsserted">;
  readonly issuers: Pick<Issuers, "byId" | "verify" | "loginClient">;
  /** Signs a client assertion (RFC 7523 2.2). */
  readonly clientAssertion: Tokens["clientAssertion"];
  readonly providers: Pick<Providers, "byId"> & {
    readonly upstream: Pick<Upstream, "authorizationUrl" | "readCallback" | "exchange">;
  };
  readonly connections: Pick<Connections, "store">;
  /** Whether the public URL is https: cookies are then `Secure` and named `__Host-`. */
  readonly secureCookies: boolean;
}
