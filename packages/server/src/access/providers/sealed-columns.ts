import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";
import { secretIdentity } from "./provider.ts";

/** Where this room keeps sealed texts. */
export const providerSealedColumns: readonly Resealable[] = [
  sealedColumn("providers", "sealed_secret", ({ id }) => secretIdentity(id), "provider"),
];
