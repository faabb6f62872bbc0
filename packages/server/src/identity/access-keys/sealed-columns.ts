import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";

/** Where an access key's secret is sealed to. */
export const secretIdentity = (id: string): string => `access_keys/${id}/secret`;

/** Where this room keeps sealed texts. */
export const accessKeySealedColumns: readonly Resealable[] = [
  sealedColumn("access_keys", "sealed_secret", ({ id }) => secretIdentity(id), "access_key"),
];
