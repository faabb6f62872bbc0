import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";

/** Where an issuer's login secret is sealed to. */
export const loginSecretIdentity = (id: string): string => `issuers/${id}/login_secret`;

/** Where this room keeps sealed texts. */
export const issuerSealedColumns: readonly Resealable[] = [
  sealedColumn("issuers", "sealed_login_secret", ({ id }) => loginSecretIdentity(id), "issuer"),
];
