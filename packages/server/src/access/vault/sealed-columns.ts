import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";
import { tokensIdentity } from "./connection.ts";
import { toStored } from "./connections-table.ts";
import { codeIdentity, customStateIdentity } from "./session.ts";
import { secretsIdentity } from "./visit.ts";

/** Where this room keeps sealed texts. */
export const vaultSealedColumns: readonly Resealable[] = [
  sealedColumn("connections", "sealed_tokens", (row) => {
    const { id, key, version } = toStored(row);
    return tokensIdentity(id, key, version);
  }),
  sealedColumn("authorization_sessions", "sealed_custom_state", ({ id }) => customStateIdentity(id)),
  sealedColumn("authorization_sessions", "sealed_code", ({ id }) => codeIdentity(id)),
  sealedColumn("authorization_visits", "sealed_secrets", ({ id }) => secretsIdentity(id)),
];
