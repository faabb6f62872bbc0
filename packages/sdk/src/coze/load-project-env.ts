import { Client } from "./client.ts";
import { processVariables, type Variables } from "./environment.ts";
import { WorkloadIdentityError } from "./errors.ts";

/** How {@link loadProjectEnv} works. */
export interface LoadProjectEnvOptions {
  /** Where the variables go: `process.env` unless given. */
  readonly into?: Variables | undefined;
  /** Whether what is set already is replaced. Not unless told. */
  readonly override?: boolean | undefined;
  /** A client that the environment describes unless given. */
  readonly client?: Client | undefined;
  /** For servers that demand it; the project is the token's all the same. */
  readonly projectId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches the project's variables and sets them, all or none. Answers the names that were set.
 *
 * @throws WorkloadIdentityError for a variable that no environment can hold, and what {@link Client.getProjectEnvVars} throws
 * @example
 * ```ts
 * import { loadProjectEnv } from "@legate/sdk/coze";
 *
 * const names = await loadProjectEnv();
 * console.log(`${names.length} variables came from the project.`);
 * ```
 */
export const loadProjectEnv = async (options: LoadProjectEnvOptions = {}): Promise<readonly string[]> => {
  const { into = processVariables(), override = false, client = new Client(), projectId, signal } = options;
  const variables = await client.getProjectEnvVars(projectId, { signal });
  const wanted = new Map<string, string>();
  for (const { key, value } of variables) {
    if (key === "" || /[=\0]/.test(key) || value.includes("\0")) {
      throw new WorkloadIdentityError(`The project's variable ${JSON.stringify(key)} cannot stand in an environment.`);
    }
    const isSet = Object.hasOwn(into, key) && into[key] !== undefined;
    if (!wanted.has(key) && (override || !isSet)) wanted.set(key, value);
  }
  for (const [key, value] of wanted) {
    // Defined, not assigned: a variable may be called `__proto__`.
    Object.defineProperty(into, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return [...wanted.keys()];
};
