import { requestKey } from "../../cache-key.ts";
import { ConfigurationError, LegateConnectionError, LegateError } from "../../errors.ts";
import type { SigningKey } from "../acs3.ts";
import { variable, type Variables } from "../environment.ts";
import type { Rpc } from "../rpc.ts";
import { cliProfile } from "./cli-profile.ts";
import { type CredentialSource, signingKey } from "./credential.ts";
import { credentialsIni } from "./credentials-ini.ts";
import { makeLeases } from "./leases.ts";
import { oidcRole } from "./role.ts";
import { ecsRole, lentByUri } from "./services.ts";
import type { Step, Tools } from "./source.ts";

const environment: Step = async ({ variables }) => {
  const accessKeyId = variable(variables, "ALIBABA_CLOUD_ACCESS_KEY_ID");
  const accessKeySecret = variable(variables, "ALIBABA_CLOUD_ACCESS_KEY_SECRET");
  if (accessKeyId === undefined && accessKeySecret === undefined) return undefined;
  const securityToken = variable(variables, "ALIBABA_CLOUD_SECURITY_TOKEN");
  return signingKey({ accessKeyId, accessKeySecret, securityToken }, "The environment's credentials");
};

const oidc: Step = async (tools) => {
  const [tokenFile, roleArn, providerArn] = (
    ["ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"] as const
  ).map((name) => variable(tools.variables, name));
  if (tokenFile === undefined || roleArn === undefined || providerArn === undefined) return undefined;
  return oidcRole(tools, { tokenFile, roleArn, providerArn });
};

const ecsMetadata: Step = async (tools) =>
  variable(tools.variables, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")?.toLowerCase() === "true"
    ? undefined
    : ecsRole(tools, variable(tools.variables, "ALIBABA_CLOUD_ECS_METADATA"));

const credentialsUri: Step = async (tools) => {
  const uri = variable(tools.variables, "ALIBABA_CLOUD_CREDENTIALS_URI");
  return uri === undefined ? undefined : lentByUri(tools, uri);
};

/** The documented order. */
const steps = { environment, oidc, cliProfile, credentialsIni, ecsMetadata, credentialsUri } as const;
/** A place where the default credentials are looked for. */
export type ChainStep = keyof typeof steps;

/** What the chain works with. */
export interface ChainNeeds extends Pick<Tools, "read" | "fetch" | "direct" | "rpc" | "clock"> {
  readonly variables: () => Variables;
  readonly home: (variables: Variables) => string;
  /** Places that are left out. */
  readonly without: readonly ChainStep[];
  readonly rpc: Rpc;
}

const relevant = (variables: Variables): unknown =>
  Object.entries(variables)
    .filter(([name]) => /^(ALIBABA_CLOUD_|HOME$|USERPROFILE$)/.test(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));

/** How soon a place that failed is asked again, while a later one has credentials. */
const againMs = 60_000;

/** Where credentials were found. */
interface Found {
  readonly step: ChainStep;
  /** What the environment said then, as a hash. */
  readonly environment: string;
  /** Earlier places that are set up, and failed then. */
  readonly failed: readonly ChainStep[];
  /** When those are asked again. */
  readonly againAt: number;
}

/** Whether a place is not there at all: most machines are no ECS instance, and nobody said that this is one. */
const isAbsent = (name: ChainStep, error: LegateError, variables: Variables): boolean =>
  name === "ecsMetadata" && error instanceof LegateConnectionError && variable(variables, "ALIBABA_CLOUD_ECS_METADATA") === undefined;

/**
 * The credentials that the place where this runs has, looked for in the documented order at each call. The place that had some is asked first from then on,
 * and alone: while the environment stays as it is, a place that fails does not turn the process into somebody else. Only an earlier place, which failed when
 * the later one was found, takes its turn again once it works.
 */
export const makeChain = (needs: ChainNeeds): CredentialSource => {
  const leases = makeLeases(needs.clock);
  let found: Found | undefined;
  return {
    forget: leases.forget,
    getCredential: async (signal) => {
      const variables = needs.variables();
      const { read, fetch, direct, rpc, clock } = needs;
      const tools: Tools = { variables, home: needs.home(variables), read, fetch, direct, rpc, leases, clock, signal };
      const fingerprint = await requestKey("environment", relevant(variables));
      const look = async (places: readonly ChainStep[]): Promise<{ readonly key?: SigningKey; readonly reasons: readonly string[] }> => {
        const reasons: string[] = [];
        const failed: ChainStep[] = [];
        for (const step of places) {
          let key: SigningKey | undefined;
          try {
            key = await steps[step](tools);
          } catch (error) {
            if (signal?.aborted || !(error instanceof LegateError)) throw error;
            reasons.push(`${step}: ${error.message}`);
            if (!isAbsent(step, error, variables)) failed.push(step);
          }
          if (!key) continue;
          found = { step, environment: fingerprint, failed, againAt: clock() + againMs };
          return { key, reasons };
        }
        return { reasons };
      };
      if (found?.environment === fingerprint) {
        const { step, failed: earlier, againAt } = found;
        if (earlier.length > 0 && clock() >= againAt) {
          found = { ...found, againAt: clock() + againMs };
          const { key } = await look(earlier);
          if (key) return key;
        }
        const key = await steps[step](tools);
        if (key) return key;
      }
      const { key, reasons } = await look((Object.keys(steps) as ChainStep[]).filter((step) => !needs.without.includes(step)));
      if (key) return key;
      const why = reasons.length === 0 ? "" : ` What was set up and failed: ${reasons.join(" ")}`;
      throw new ConfigurationError(
        `No credentials: give \`credentials\`, or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET.${why}`,
      );
    },
  };
};
