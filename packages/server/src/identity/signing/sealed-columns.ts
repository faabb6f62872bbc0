import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";
import { privateIdentity } from "./signing-key.ts";

/** Where this room keeps sealed texts. */
export const signingSealedColumns: readonly Resealable[] = [
  sealedColumn("signing_keys", "sealed_private_jwk", ({ id }) => privateIdentity(id)),
];
