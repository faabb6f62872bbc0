import { type Resealable, sealedColumn } from "../../ground/seal/index.ts";
import { credentialIdentity, valueIdentity } from "./project.ts";

/** Where this room keeps sealed texts. What is remembered of them is forgotten when a data key goes. */
export const projectSealedColumns: readonly Resealable[] = [
  sealedColumn("variables", "sealed_value", ({ project_id, lane, name, id }) => valueIdentity(project_id, { lane, name, id })),
  sealedColumn("integrations", "sealed_credential", ({ project_id, name, id }) => credentialIdentity(project_id, { name, id })),
];
