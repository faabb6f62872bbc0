import { Client } from "./client.ts";
import { processVariables, type Variables } from "./environment.ts";
import { mustFit } from "./fit-variables.ts";

/** How variables are set that come from elsewhere. */
export interface SetProjectEnvOptions {
  /** Where the variables go: `process.env` unless given. */
  readonly into?: Variables | undefined;
  /** Whether what is set already is replaced. Not unless told. */
  readonly override?: boolean | undefined;
  /**
   * Names that are set although they steer the process: `NODE_OPTIONS`, `NODE_TLS_REJECT_UNAUTHORIZED`, `NODE_EXTRA_CA_CERTS`,
   * `NODE_REPL_EXTERNAL_MODULE`, `NODE_PATH`, and what begins with `LD_`, `DYLD_`, `COZE_WORKLOAD_`, `COZE_OUTBOUND_` or `LEGATE_`. None unless given.
   */
  readonly allow?: readonly string[] | undefined;
}

/** How {@link loadProjectEnv} works. */
export interface LoadProjectEnvOptions extends SetProjectEnvOptions {
  /** A client that the environment describes unless given. */
  readonly client?: Client | undefined;
  /** For servers that demand it; the project is the token's all the same. */
  readonly projectId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sets variables that were read already, all or none. Answers the names that were set.
 *
 * @throws VariableError for variables that no environment can hold, or that steer the process and are not in `allow`
 */
export const setProjectEnv = (
  variables: Iterable<readonly [name: string, value: string]>,
  { into = processVariables(), override = false, allow = [] }: SetProjectEnvOptions = {},
): readonly string[] => {
  const all = [...variables];
  mustFit(all, allow);
  const wanted = new Map<string, string>();
  for (const [key, value] of all) {
    const isSet = Object.hasOwn(into, key) && into[key] !== undefined;
    if (!wanted.has(key) && (override || !isSet)) wanted.set(key, value);
  }
  for (const [key, value] of wanted) {
    // Defined, not assigned: a variable may be called `__proto__`.
    Object.defineProperty(into, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return [...wanted.keys()];
};

/**
 * Fetches the project's variables and sets them, all or none. Answers the names that were set.
 *
 * @throws VariableError for variables that no environment can hold, or that steer the process and are not in `allow`, and what
 * {@link Client.getProjectEnvVars} throws
 * @example
 * ```ts
 * import { loadProjectEnv } from "@legate/sdk/coze";
 *
 * const names = await loadProjectEnv();
 * console.log(`${names.length} variables came from the project.`);
 * ```
 */
export const loadProjectEnv = async (options: LoadProjectEnvOptions = {}): Promise<readonly string[]> => {
  const { client = new Client(), projectId, signal } = options;
  const variables = await client.getProjectEnvVars(projectId, { signal });
  return setProjectEnv(
    [...variables].map(({ key, value }) => [key, value]),
    options,
  );
};
