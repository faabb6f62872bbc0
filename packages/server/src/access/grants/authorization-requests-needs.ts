import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Clock, Random } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import type { StandingCheck } from "../../identity/tokens/index.ts";
import type { Users } from "../../identity/users/index.ts";
import type { Clients } from "../clients/index.ts";
import type { Login } from "../vault/index.ts";
import type { Families } from "./families.ts";

/** What authorization requests stand on. */
export interface AuthorizationRequestsNeeds {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
  readonly users: Pick<Users, "byId" | "proven">;
  readonly issuers: Pick<Issuers, "byId" | "withLogin" | "loginClient">;
  readonly standing: Pick<StandingCheck, "chain">;
  readonly login: Login;
  readonly clients: Pick<Clients, "find" | "redirectUriOf"> & {
    readonly resources: Pick<Clients["resources"], "target" | "byIdentifier" | "userinfo">;
  };
  readonly families: Pick<Families, "begin" | "trim">;
  /** Whether the public URL is https: cookies are then `Secure` and named `__Host-`. */
  readonly secureCookies: boolean;
}
