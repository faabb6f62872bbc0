import { ConfigurationError } from "../../errors.ts";
import { variable, type Variables } from "../environment.ts";
import type { SigningKey } from "../acs3.ts";
import { isKeyRefused } from "../faults.ts";
import { sts } from "../ram-plane.ts";
import { leaseOf, roleSeconds, type Tools } from "./source.ts";

/** What roles of both kinds are taken on with. */
interface Common {
  readonly roleArn: string | undefined;
  readonly sessionName?: string | undefined;
  readonly durationSeconds?: number | undefined;
  readonly policy?: string | undefined;
  readonly stsRegion?: string | undefined;
  readonly vpc?: boolean | undefined;
}

const timeoutMs = 15_000;

const stsEndpoint = ({ stsRegion, vpc }: Common, variables: Variables): string => {
  const region = stsRegion || variable(variables, "ALIBABA_CLOUD_STS_REGION");
  if (region === undefined) return "https://sts.aliyuncs.com";
  if (!/^[a-z0-9-]{1,64}$/.test(region)) throw new ConfigurationError("The region of STS is no region's name.");
  const inside = vpc ?? variable(variables, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")?.toLowerCase() === "true";
  return `https://${inside ? "sts-vpc" : "sts"}.${region}.aliyuncs.com`;
};

const paramsOf = ({ roleArn, sessionName, durationSeconds = roleSeconds, policy }: Common, { variables }: Tools) => {
  if (!roleArn) throw new ConfigurationError("A role is to be taken on, and its ARN is missing.");
  return {
    RoleArn: roleArn,
    RoleSessionName: sessionName || variable(variables, "ALIBABA_CLOUD_ROLE_SESSION_NAME") || "legate-sdk",
    DurationSeconds: durationSeconds,
    ...(policy && { Policy: policy }),
  };
};

/** The keys of a role that a token of an OIDC provider opens. The token is read anew each time: whoever wrote it replaces it. */
export const oidcRole = async (
  tools: Tools,
  of: Common & { readonly providerArn: string | undefined; readonly tokenFile: string | undefined },
): Promise<SigningKey> => {
  const { providerArn, tokenFile } = of;
  const params = paramsOf(of, tools);
  if (!providerArn || !tokenFile)
    throw new ConfigurationError("A role is to be taken on by OIDC, and the provider's ARN or the token's file is missing.");
  const endpoint = stsEndpoint(of, tools.variables);
  return tools.leases(["oidc", endpoint, providerArn, tokenFile, params], tools.signal, async (signal) => {
    const token = (await tools.read(tokenFile))?.trim();
    if (!token) throw new ConfigurationError("The file of the OIDC token is missing or empty.");
    const { Credentials } = await tools.rpc(
      {
        plane: "sts",
        name: "AssumeRoleWithOIDC",
        action: sts.AssumeRoleWithOIDC,
        params: { ...params, OIDCProviderArn: providerArn, OIDCToken: token },
        endpoint,
        key: undefined,
      },
      { signal, timeoutMs },
    );
    return leaseOf(Credentials, "STS");
  });
};

/** The keys of a role that other keys open. */
export const assumedRole = async (
  tools: Tools,
  of: Common & { readonly key: SigningKey; readonly externalId?: string | undefined },
): Promise<SigningKey> => {
  const params = { ...paramsOf(of, tools), ...(of.externalId && { ExternalId: of.externalId }) };
  const endpoint = stsEndpoint(of, tools.variables);
  return tools.leases(["role", endpoint, of.key, params], tools.signal, async (signal) => {
    const asked = { plane: "sts", name: "AssumeRole", action: sts.AssumeRole, params, endpoint, key: of.key } as const;
    const { Credentials } = await tools.rpc(asked, { signal, timeoutMs }).catch((error: unknown) => {
      // The key that opens the role may itself be lent: who asks next opens it with another.
      if (isKeyRefused(error)) tools.leases.forget(of.key);
      throw error;
    });
    return leaseOf(Credentials, "STS");
  });
};
