import { ConfigurationError } from "../../errors.ts";
import { variable } from "../environment.ts";
import { signingKey } from "./credential.ts";
import { assumedRole, oidcRole } from "./role.ts";
import { ecsRole } from "./services.ts";
import type { Step } from "./source.ts";

/** The sections of an INI file. A `#` or `;` begins a comment at a line's start, and a `#` after white space. */
export const sectionsIn = (content: string): ReadonlyMap<string, ReadonlyMap<string, string>> => {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const line of content.replace(/^\ufeff/, "").split(/\r?\n/)) {
    const bare = line.trim();
    if (bare === "" || /^[#;]/.test(bare)) continue;
    const name = /^\[([^\]]+)\]/.exec(bare)?.[1]?.trim();
    if (name !== undefined) {
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const [, key = "", value = ""] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(bare) ?? [];
    if (key !== "") section?.set(key.toLowerCase(), value.replace(/(^|\s)#.*$/, "").trim());
  }
  return sections;
};

/** A section of `~/.alibabacloud/credentials.ini`, or of the file that `ALIBABA_CLOUD_CREDENTIALS_FILE` names: `ALIBABA_CLOUD_PROFILE`, else `default`. */
export const credentialsIni: Step = async (tools) => {
  const { variables } = tools;
  const given = variable(variables, "ALIBABA_CLOUD_CREDENTIALS_FILE");
  const content = await tools.read(given ?? `${tools.home}/.alibabacloud/credentials.ini`);
  if (content === undefined) {
    if (given === undefined) return undefined;
    throw new ConfigurationError("ALIBABA_CLOUD_CREDENTIALS_FILE names a file that is not there.");
  }
  const section = sectionsIn(content).get(variable(variables, "ALIBABA_CLOUD_PROFILE") ?? "default");
  if (!section) throw new ConfigurationError("The credentials file lacks the section.");
  const field = (name: string) => section.get(name) || undefined;
  if (field("enable")?.toLowerCase() === "false") return undefined;
  const pair = () =>
    signingKey(
      { accessKeyId: field("access_key_id"), accessKeySecret: field("access_key_secret"), securityToken: field("security_token") },
      "The file's credentials",
    );
  const role = { roleArn: field("role_arn"), sessionName: field("role_session_name"), policy: field("policy") };
  switch (field("type")) {
    case "access_key":
    case "sts":
      return pair();
    case "ram_role_arn":
      return assumedRole(tools, { ...role, key: pair() });
    case "oidc_role_arn":
      return oidcRole(tools, { ...role, providerArn: field("oidc_provider_arn"), tokenFile: field("oidc_token_file_path") });
    case "ecs_ram_role":
      return ecsRole(tools, field("role_name"));
    default:
      throw new ConfigurationError("The credentials file has a section of a type that is not served.");
  }
};
