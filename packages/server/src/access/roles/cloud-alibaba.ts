import type { Egress } from "../../ground/egress/index.ts";
import { type Clock, parseStrictObject, type Random } from "../../ground/kernel/index.ts";
import { type CloudAsk, type CloudCredentials, CloudUnavailable, credentialsFrom, post, refusal } from "./cloud.ts";
import type { RoleCloud } from "./role.ts";

interface Needs {
  readonly egress: Pick<Egress, "fetch">;
  readonly clock: Clock;
  readonly random: Random;
}

type AlibabaRole = Extract<RoleCloud, { provider: "alibaba" }>;

const endpoint = "https://sts.aliyuncs.com/";
const overloaded = /^(Throttling|ServiceUnavailable|InternalError)/;

const objectIn = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return parseStrictObject(text);
  } catch {
    return {};
  }
};

const textIn = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/**
 * AssumeRoleWithOIDC of Alibaba Cloud's STS (2015-04-01): a role's credentials for an OIDC token. The call is signed by nobody; the token proves all.
 * @throws CloudRefused, CloudUnavailable
 */
export const makeAlibabaCloud =
  ({ egress, clock, random }: Needs) =>
  async (role: AlibabaRole, ask: CloudAsk): Promise<CloudCredentials> => {
    const url = new URL(role.stsEndpoint ?? endpoint);
    for (const [name, value] of [
      ["Action", "AssumeRoleWithOIDC"],
      ["Format", "JSON"],
      ["Version", "2015-04-01"],
      ["Timestamp", `${new Date(clock()).toISOString().slice(0, 19)}Z`],
      ["SignatureNonce", random(16).toString("hex")],
    ] as const)
      url.searchParams.set(name, value);
    const { status, text } = await post(
      egress,
      url.href,
      [
        ["RoleArn", role.roleArn],
        ["OIDCProviderArn", role.oidcProviderArn],
        ["OIDCToken", ask.token],
        ["RoleSessionName", ask.sessionName],
        ["DurationSeconds", String(ask.seconds)],
        ...(ask.policy === undefined ? [] : [["Policy", ask.policy] as const]),
      ],
      ask.signal,
    );
    const answer = objectIn(text);
    if (status !== 200) throw refusal(status, textIn(answer["Code"]), textIn(answer["Message"]), ask, overloaded);
    const given = answer["Credentials"];
    if (typeof given !== "object" || given === null) throw new CloudUnavailable("nonsense");
    const { AccessKeyId: id, AccessKeySecret: secret, SecurityToken: token, Expiration: expiration } = given as Record<string, unknown>;
    return credentialsFrom({ id, secret, token, expiration }, clock());
  };
