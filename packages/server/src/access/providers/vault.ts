import type { Foreign } from "../../ground/kernel/index.ts";

/** The vault that is meant where none is named: every tenant has it. */
export const defaultVault = "default";

/** Where credential providers stand; their names are unique in it. */
export interface TokenVault {
  /** Unique in the tenant. */
  readonly name: string;
  readonly description: string | undefined;
  /** What only one foreign wire says of it, by that wire: returned by it, read by nobody else. */
  readonly foreign: Foreign;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** How many a tenant may have beside `default`. */
export const mostVaults = 1_000;

/** What is left out stays; an empty description is none. */
export interface TokenVaultFields {
  readonly description?: string | undefined;
  /** Replaces what the wires named here said before; other wires' stays. */
  readonly foreign?: Foreign | undefined;
}
