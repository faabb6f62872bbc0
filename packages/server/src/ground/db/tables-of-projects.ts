import type { Fixed } from "./fixed.ts";

export interface ProjectRow {
  tenant_id: Fixed<string>;
  /** Its name. */
  id: Fixed<string>;
  description: string | null;
  /** JSON array: agent ids, `label:...` or `*`: who of its agents may read it. */
  agents: string;
  /** JSON object: lane to the agents that may read it, in the same form. */
  lanes: string;
  /** JSON object: lane, empty for the default one, to what its set of variables holds. */
  sets: string;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface VariableRow {
  tenant_id: Fixed<string>;
  project_id: Fixed<string>;
  /** Empty: the default set. */
  lane: Fixed<string>;
  name: Fixed<string>;
  /** What its seal is bound to. */
  id: Fixed<string>;
  sealed_value: string;
  /** Of name and value, in bytes. */
  size: number;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface IntegrationRow {
  tenant_id: Fixed<string>;
  project_id: Fixed<string>;
  name: Fixed<string>;
  /** What its seal is bound to. */
  id: Fixed<string>;
  /** Where it is a stored string. */
  sealed_credential: string | null;
  /** Where it is a credential provider of the vault. */
  provider_id: string | null;
  /** JSON array: what is asked of the provider; null: the provider's own. */
  scopes: string | null;
  version: number;
  created_at: Fixed<number>;
  updated_at: number;
}
