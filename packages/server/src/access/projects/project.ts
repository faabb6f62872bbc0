import type { Random } from "../../ground/kernel/index.ts";

/** What a team's agents read: variables, in lanes, and integrations. */
export interface Project {
  /** Its id as well. */
  readonly name: string;
  readonly description: string | undefined;
  /** Which of its agents may read it: agent ids, `label:...` or `*`. */
  readonly agents: readonly string[];
  /** By lane, which of them may read it there; a lane that is not here is read by all of them. */
  readonly lanes: ReadonlyMap<string, readonly string[]>;
  /** The sets that hold variables, by lane; the default set's lane is the empty text. */
  readonly sets: ReadonlyMap<string, SetTotals>;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a set of variables holds. */
export interface SetTotals {
  readonly count: number;
  /** Of names and values. */
  readonly bytes: number;
  /** Another after every change of the set, and never the same again. */
  readonly mark: string;
}

/** The lane of the default set. */
export const defaultLane = "";

/** How many variables a set may hold, and how many bytes their names and values may take together. */
export const mostVariables = 1_000;
export const mostBytes = 1024 * 1024;
/** How many lanes may hold variables, beside the default set. */
export const mostLanes = 50;
/** How many projects a tenant may have. */
export const mostProjects = 1_000;
/** How many integrations a project may have. */
export const mostIntegrations = 200;

/** A variable as it may be shown: without its value. */
export interface Variable {
  readonly id: string;
  readonly name: string;
  readonly lane: string;
  /** Raised whenever the value changes. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A variable with its value as it is stored. */
export interface SealedVariable extends Variable {
  readonly sealedValue: string;
  /** Of name and value, in bytes. */
  readonly size: number;
}

/** Where an integration's credential comes from. */
export interface Integration {
  readonly id: string;
  readonly name: string;
  /** Where it is a stored text. */
  readonly sealedCredential: string | undefined;
  /** Where it is a credential provider of the vault. */
  readonly provider:
    | { readonly id: string; readonly name: string; readonly vault: string; readonly type: "api_key" | "oauth2" | "sts" }
    | undefined;
  /** Asked of the provider; its own where they are left out. */
  readonly scopes: readonly string[] | undefined;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const newVariableId = (random: Random): string => `var_${random(16).toString("hex")}`;
export const newIntegrationId = (random: Random): string => `int_${random(16).toString("hex")}`;

/** Where a value is sealed to: its place as well as its row, so that a value of one lane opens in no other. */
export const valueIdentity = (project: string, { id, lane, name }: Pick<Variable, "id" | "lane" | "name">): string =>
  `variables/${JSON.stringify([project, lane, name, id])}/value`;

/** Where an integration's credential is sealed to. */
export const credentialIdentity = (project: string, { id, name }: Pick<Integration, "id" | "name">): string =>
  `integrations/${JSON.stringify([project, name, id])}/credential`;

export const newMark = (random: Random): string => random(8).toString("hex");

/** How much a variable takes of its set's room. */
export const sizeOf = (name: string, value: string): number => Buffer.byteLength(name) + Buffer.byteLength(value);
