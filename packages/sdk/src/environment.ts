import { ConfigurationError } from "./errors.ts";

/** What the process's environment says. An empty variable counts as absent. */
export interface Environment {
  /** `LEGATE_URL`. */
  readonly url: string | undefined;
  /** `LEGATE_AGENT`, else `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME`: the agent's name. */
  readonly agent: string | undefined;
  /** `LEGATE_AGENT_KEY`. */
  readonly agentKey: string | undefined;
  /** `LEGATE_OPERATOR_KEY`: for development. */
  readonly operatorKey: string | undefined;
  /** `LEGATE_WORKLOAD_TOKEN`, else `AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN`. */
  readonly workloadToken: string | undefined;
  /** `AGENT_IDENTITY_REGION_ID`. The native wire has no regions; it is read for code that ports. */
  readonly region: string | undefined;
  /** `AGENT_IDENTITY_USE_STS`: `true`, `1`, `yes` or `on` in any case. It has a meaning only where STS credentials are offered. */
  readonly useSts: boolean;
}

const yes = new Set(["true", "1", "yes", "on"]);
const no = new Set(["false", "0", "no", "off"]);

/**
 * Reads the environment: the one place of this package that does. `LEGATE_*` wins over `AGENT_IDENTITY_*`.
 *
 * @throws ConfigurationError when a switch is neither on nor off.
 */
export const readEnvironment = (variables: Readonly<Record<string, string | undefined>> = process.env): Environment => {
  const first = (...names: readonly string[]) => names.map((name) => variables[name]?.trim()).find((value) => value);
  const flag = (name: string) => {
    const value = first(name)?.toLowerCase();
    if (value === undefined || no.has(value)) return false;
    if (yes.has(value)) return true;
    throw new ConfigurationError(`${name} must be true or false.`);
  };
  return {
    url: first("LEGATE_URL"),
    agent: first("LEGATE_AGENT", "AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME"),
    agentKey: first("LEGATE_AGENT_KEY"),
    operatorKey: first("LEGATE_OPERATOR_KEY"),
    workloadToken: first("LEGATE_WORKLOAD_TOKEN", "AGENT_IDENTITY_WORKLOAD_ACCESS_TOKEN"),
    region: first("AGENT_IDENTITY_REGION_ID"),
    useSts: flag("AGENT_IDENTITY_USE_STS"),
  };
};
