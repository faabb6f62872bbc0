import { ConfigurationError } from "../errors.ts";

/** Environment variables by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The process's own variables: the one place of this subpath that touches them. Read when it is called, never at import. */
export const processVariables = (): Variables => process.env;

/** A variable without white space around it; an empty one counts as absent. */
export const variable = (variables: Variables, name: string): string | undefined => variables[name]?.trim() || undefined;

const yes = new Set(["true", "1", "yes", "on"]);
const no = new Set(["false", "0", "no", "off"]);

/** A switch, in any case of letters. @throws ConfigurationError where it is neither on nor off */
export const switched = (variables: Variables, name: string, otherwise: boolean): boolean => {
  const value = variable(variables, name)?.toLowerCase();
  if (value === undefined) return otherwise;
  if (yes.has(value)) return true;
  if (no.has(value)) return false;
  throw new ConfigurationError(`${name} must be true or false.`);
};

/** What the environment says of Agent Identity. */
export interface IdentityEnvironment {
  /** `AGENT_IDENTITY_REGION_ID`. */
  readonly region: string | undefined;
  /** `AGENT_IDENTITY_ENDPOINT`: of both planes. */
  readonly endpoint: string | undefined;
  /** `AGENT_IDENTITY_CONTROL_ENDPOINT`. */
  readonly controlEndpoint: string | undefined;
  /** `AGENT_IDENTITY_DATA_ENDPOINT`. */
  readonly dataEndpoint: string | undefined;
  /** `AGENT_IDENTITY_RAM_ENDPOINT`. */
  readonly ramEndpoint: string | undefined;
  /** `AGENT_IDENTITY_STS_ENDPOINT`. */
  readonly stsEndpoint: string | undefined;
  /** `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME`. */
  readonly workloadName: string | undefined;
  /** `AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN`. */
  readonly workloadAccessToken: string | undefined;
  /** `AGENT_IDENTITY_USE_STS`: true unless it says otherwise. */
  readonly useSts: boolean;
}

/** @throws ConfigurationError when a switch is neither on nor off */
export const identityEnvironment = (variables: Variables = processVariables()): IdentityEnvironment => ({
  region: variable(variables, "AGENT_IDENTITY_REGION_ID"),
  endpoint: variable(variables, "AGENT_IDENTITY_ENDPOINT"),
  controlEndpoint: variable(variables, "AGENT_IDENTITY_CONTROL_ENDPOINT"),
  dataEndpoint: variable(variables, "AGENT_IDENTITY_DATA_ENDPOINT"),
  ramEndpoint: variable(variables, "AGENT_IDENTITY_RAM_ENDPOINT"),
  stsEndpoint: variable(variables, "AGENT_IDENTITY_STS_ENDPOINT"),
  workloadName: variable(variables, "AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"),
  workloadAccessToken: variable(variables, "AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN"),
  useSts: switched(variables, "AGENT_IDENTITY_USE_STS", true),
});
