import { ConfigurationError } from "../../errors.ts";
import type { SigningKey } from "../acs3.ts";
import { variable } from "../environment.ts";
import { signingKey } from "./credential.ts";
import { assumedRole, oidcRole } from "./role.ts";
import { ecsRole, lentByUri } from "./services.ts";
import type { Step, Tools } from "./source.ts";

type Profile = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Profile => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const profilesIn = (content: string): { readonly current: string | undefined; readonly profiles: readonly Profile[] } => {
  let config: unknown;
  try {
    config = JSON.parse(content.replace(/^\ufeff/, ""));
  } catch {
    throw new ConfigurationError("~/.aliyun/config.json is no JSON.");
  }
  if (!isRecord(config) || !Array.isArray(config.profiles)) throw new ConfigurationError("~/.aliyun/config.json holds no profiles.");
  return { current: text(config.current), profiles: config.profiles.filter(isRecord) };
};

const keyOf = async (tools: Tools, profiles: readonly Profile[], name: string, seen: readonly string[]): Promise<SigningKey> => {
  const profile = profiles.find((one) => one.name === name);
  if (!profile || seen.includes(name))
    throw new ConfigurationError("~/.aliyun/config.json lacks the profile, or its sources go round in a circle.");
  const { mode } = profile;
  const given = () =>
    signingKey(
      {
        accessKeyId: text(profile.access_key_id),
        accessKeySecret: text(profile.access_key_secret),
        securityToken: mode === "StsToken" ? text(profile.sts_token) : undefined,
      },
      "The profile's credentials",
    );
  const role = {
    roleArn: text(profile.ram_role_arn),
    durationSeconds: typeof profile.expired_seconds === "number" && profile.expired_seconds > 0 ? profile.expired_seconds : undefined,
    policy: text(profile.policy),
    stsRegion: text(profile.sts_region),
    vpc: typeof profile.enable_vpc === "boolean" ? profile.enable_vpc : undefined,
  };
  const assumed = (key: SigningKey) =>
    assumedRole(tools, { ...role, key, sessionName: text(profile.ram_session_name), externalId: text(profile.external_id) });
  switch (mode) {
    case "AK":
    case "StsToken":
      return given();
    case "RamRoleArn":
      return assumed(given());
    case "ChainableRamRoleArn":
      return assumed(await keyOf(tools, profiles, text(profile.source_profile) ?? "", [...seen, name]));
    case "EcsRamRole":
      return ecsRole(tools, text(profile.ram_role_name));
    case "OIDC":
      return oidcRole(tools, {
        ...role,
        providerArn: text(profile.oidc_provider_arn),
        tokenFile: text(profile.oidc_token_file),
        sessionName: text(profile.role_session_name) ?? text(profile.ram_session_name),
      });
    case "CredentialsURI":
      return lentByUri(tools, text(profile.credentials_uri) ?? "");
    default:
      throw new ConfigurationError("~/.aliyun/config.json has a profile of a mode that only the cloud's own command line serves.");
  }
};

/** The profile of Alibaba Cloud's command line: the one that `ALIBABA_CLOUD_PROFILE` names, else the current one. */
export const cliProfile: Step = async (tools) => {
  const { variables } = tools;
  if (variable(variables, "ALIBABA_CLOUD_CLI_PROFILE_DISABLED")?.toLowerCase() === "true") return undefined;
  const content = await tools.read(`${tools.home}/.aliyun/config.json`);
  if (content === undefined) return undefined;
  const { current, profiles } = profilesIn(content);
  const name = variable(variables, "ALIBABA_CLOUD_PROFILE") ?? current;
  if (name === undefined) throw new ConfigurationError("~/.aliyun/config.json names no current profile.");
  return keyOf(tools, profiles, name, []);
};
