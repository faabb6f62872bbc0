import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";
import { secretsIdentity } from "./authorization-request.ts";

/** Where this room keeps sealed texts. */
export const grantsSealedColumns: readonly Resealable[] = [
  sealedColumn("authorization_requests", "sealed_secrets", ({ id }) => secretsIdentity(id)),
];
