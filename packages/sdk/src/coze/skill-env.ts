import { makeAsk } from "./ask.ts";
import { envKeys } from "./env-keys.ts";
import { processVariables, type Variables } from "./environment.ts";
import { SkillEnvAPIError, VariableError } from "./errors.ts";
import { mustFit } from "./fit-variables.ts";
import { type ClientOptions, endpoint, type Reach, reachOf, type Timeout } from "./settings.ts";
import { type SkillVariables, skillVariablesOf } from "./skill-answer.ts";
import { type SkillContext, skillContext } from "./skill-files.ts";

/** How {@link loadSkillEnv} works. */
export interface LoadSkillEnvOptions extends Pick<ClientOptions, "retries" | "log" | "fetch" | "signal" | "clock" | "random" | "sleep"> {
  /** A file of the skill, as a path or `import.meta.url`: the program's first file unless given. */
  readonly sourcePath?: string | undefined;
  /** Loads again although this process has done so. */
  readonly force?: boolean | undefined;
  /** Milliseconds for one attempt. 10,000 unless given. */
  readonly timeout?: Timeout | undefined;
  /** Where the variables go: `process.env` unless given. */
  readonly into?: Variables | undefined;
  /** Names that are set although they steer the process, as `loadProjectEnv` has them. None unless given. */
  readonly allow?: readonly string[] | undefined;
  /** Where the platform puts the identity ticket: `/source/ticket.json` unless given. */
  readonly ticketFile?: string | undefined;
}

const { COZE_OUTBOUND_AUTH_PROXY: proxy, COZE_OUTBOUND_AUTH_PROXY_CA: ca, COZE_OUTBOUND_AUTH_PROXY_CA_PATH: caPath } = envKeys;
const twins: Readonly<Record<string, string>> = { identity_ticket: "IDENTITY_TICKET", IDENTITY_TICKET: "identity_ticket" };

const set = (into: Variables, name: string, value: string): void => {
  for (const one of [name, ...(Object.hasOwn(twins, name) ? [twins[name] ?? ""] : [])]) {
    Object.defineProperty(into, one, { value, writable: true, enumerable: true, configurable: true });
  }
};

/**
 * Sets what came, over what is there; only a proxy and a path to its certificates stay as they are. Answers whether anything was set.
 *
 * @throws VariableError
 */
const apply = (into: Variables, values: SkillVariables, allow: readonly string[]): boolean => {
  const hadProxy = Boolean(into[proxy]);
  const hadCaPath = Boolean(into[caPath]);
  const certificates = hadCaPath ? undefined : [ca, caPath].find((name) => values[name]);
  const wanted = Object.entries(values).filter(([name]) => {
    if (name === ca || name === caPath) return name === certificates;
    return !(name === proxy && hadProxy);
  });
  mustFit(wanted, allow);
  for (const [name, value] of wanted) set(into, name, value);
  return wanted.length > 0;
};

/** Digits become a JSON integer of any length, which a JavaScript number would round. */
const idJson = (id: string): string => (/^\d+$/.test(id) ? BigInt(id).toString() : JSON.stringify(id));

const bodyOf = (context: SkillContext, skillId: string): string => {
  const ticket = context.identityTicket === undefined ? "" : `,"identity_ticket":${JSON.stringify(context.identityTicket)}`;
  return `{"agent_id":${idJson(context.agentId)},"skill_id":${idJson(skillId)}${ticket}}`;
};

/** Makes a loader with a memory of its own of whether it has run. */
export const makeSkillEnv = () => {
  let done: Promise<boolean> | undefined;

  const load = async (context: SkillContext, reach: Reach, options: LoadSkillEnvOptions): Promise<boolean> => {
    const { into = processVariables(), allow = [], signal } = options;
    const { agentId, patToken, skillId, identityTicket } = context;
    const says = (message: string) => reach.log({ level: "warn", step: "skill-env", message });
    try {
      const own = { agent_id: agentId, pat_token: patToken, skill_id: skillId ?? "", identity_ticket: identityTicket ?? "" };
      mustFit(Object.entries(own), []);
      set(into, "agent_id", agentId);
      set(into, "pat_token", patToken);
      if (identityTicket !== undefined) set(into, "identity_ticket", identityTicket);
      if (skillId === undefined) {
        delete into.skill_id;
        return true;
      }
      set(into, "skill_id", skillId);
      const name = envKeys.COZE_SKILL_ENV_ENDPOINT;
      const url = endpoint(name, into[name] || envKeys.DEFAULT_COZE_SKILL_ENV_ENDPOINT);
      if (!/^[\x21-\x7e]+$/.test(patToken)) throw new Error("patToken cannot stand in a header");
      const headers = { "content-type": "application/json", authorization: `Bearer ${patToken}` };
      const secrets = [patToken, ...(identityTicket === undefined ? [] : [identityTicket])];
      const question = { step: "skill-env", method: "POST", url, headers, body: bodyOf(context, skillId), secrets } as const;
      const values = skillVariablesOf(await makeAsk(reach)(question, signal), secrets);
      if (!values || Object.keys(values).length === 0) {
        says("The skill environment endpoint gave no variables.");
        return false;
      }
      const any = apply(into, values, allow);
      if (identityTicket !== undefined) set(into, "identity_ticket", identityTicket);
      return any;
    } catch (error) {
      if (error instanceof SkillEnvAPIError || error instanceof VariableError || signal?.aborted) throw error;
      says("The skill's variables could not be loaded.");
      return false;
    }
  };

  return async (options: LoadSkillEnvOptions = {}): Promise<boolean> => {
    if (done && !options.force) return done;
    const reach = reachOf(options, 10_000);
    const context = await skillContext(options.sourcePath ?? process.argv[1] ?? "", options.ticketFile).catch(() => {
      reach.log({ level: "warn", step: "skill-env", message: "The agent's configuration could not be read." });
    });
    if (!context) return false;
    // Asked again: another may have begun while the files were read.
    if (done && !options.force) return done;
    const loading = load(context, reach, options);
    done = loading.catch(() => false);
    return loading;
  };
};

/**
 * Finds out which skill the program belongs to and sets its variables, once in a process. It never runs by itself: not at import, and not when a
 * {@link Client} is made. What fails is told to `log` and answered with false.
 *
 * @returns whether anything was set
 * @throws SkillEnvAPIError when the endpoint answers with an error code, VariableError for variables that no environment can hold, or that steer the process
 * and are not in `allow`, ConfigurationError for a timeout that makes no sense
 */
export const loadSkillEnv: (options?: LoadSkillEnvOptions) => Promise<boolean> = makeSkillEnv();

/** {@link loadSkillEnv} as it is without options. */
export const ensureSkillEnvLoaded = (): Promise<boolean> => loadSkillEnv();
