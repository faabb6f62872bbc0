import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import type { Clock, Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { Issuer, Issuers } from "../../identity/issuers/index.ts";
import type { Users } from "../../identity/users/index.ts";
import type { Provider, Upstream } from "../providers/index.ts";
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
  readonly issuers: Pick<Issuers, "verify" | "loginClient"> & {
    readonly byId: (handle: Handle, tenant: string, id: string) => Promise<Issuer | undefined>;
  };
  /** private_key_jwt (RFC 7523) towards issuers. */
  readonly clientAssertion: (tenant: string, of: { readonly clientId: string; readonly audience: string }) => Promise<string>;
  readonly providers: {
    readonly byId: (handle: Handle, tenant: string, id: string) => Promise<Provider | undefined>;
    readonly upstream: Pick<Upstream, "authorizationUrl" | "readCallback" | "exchange">;
  };
  readonly connections: Pick<Connections, "store">;
  /** Whether the public URL is https: cookies are then `Secure` and named `__Host-`. */
  readonly secureCookies: boolean;
}
