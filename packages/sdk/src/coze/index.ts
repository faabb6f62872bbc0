/** What a workload with Coze's identity needs in TypeScript, in place of the Python package `coze-workload-identity`: against Coze's platform or Legate. */
export { caBundlePath, caBundlePath as CaBundlePath } from "./ca-bundle.ts";
export { type CallOptions, Client } from "./client.ts";
export { envKeys } from "./env-keys.ts";
export type { Variables } from "./environment.ts";
export {
  ConfigurationError,
  type ErrorFacts,
  OutboundError,
  SkillEnvAPIError,
  TokenExchangeError,
  TokenRetrievalError,
  VariableError,
  WorkloadIdentityError,
} from "./errors.ts";
export { loadProjectEnv, type LoadProjectEnvOptions, setProjectEnv, type SetProjectEnvOptions } from "./load-project-env.ts";
export type { Log, LogEvent, Step } from "./log.ts";
export { type PlainVar, ProjectEnvVar, ProjectEnvVars } from "./project-env.ts";
export { HttpsProxy, HttpsProxy as httpsProxy } from "./proxy.ts";
export type { ClientOptions, Timeout } from "./settings.ts";
export { ensureSkillEnvLoaded, loadSkillEnv, type LoadSkillEnvOptions } from "./skill-env.ts";
