import type { Egress } from "../../ground/egress/index.ts";
import type { Clock } from "../../ground/kernel/index.ts";
import { type CloudAsk, type CloudCredentials, CloudUnavailable, credentialsFrom, post, refusal } from "./cloud.ts";
import type { RoleCloud } from "./role.ts";
import { parseXml, type XmlElement } from "./xml.ts";

interface Needs {
  readonly egress: Pick<Egress, "fetch">;
  readonly clock: Clock;
}

type AwsRole = Extract<RoleCloud, { provider: "aws" }>;

/** AWS's partitions: the region that is meant where none is named, and the domain of its endpoints. */
const partitions = {
  aws: { region: "us-east-1", domain: "amazonaws.com" },
  "aws-cn": { region: "cn-north-1", domain: "amazonaws.com.cn" },
  "aws-us-gov": { region: "us-gov-west-1", domain: "amazonaws.com" },
} as const;

/** Where a role's credentials are asked for. */
export const awsEndpoint = ({ roleArn, region, stsEndpoint }: AwsRole): string => {
  if (stsEndpoint !== undefined) return stsEndpoint;
  const [, name = "aws"] = roleArn.split(":");
  const partition = partitions[name as keyof typeof partitions] ?? partitions.aws;
  return `https://sts.${region ?? partition.region}.${partition.domain}/`;
};

const overloaded = /^(Throttl|RequestLimitExceeded|ServiceUnavailable|InternalFailure|IDPCommunicationError)/;

/** The element at the end of a path of names, each of which stands exactly once. */
const only = (root: XmlElement | undefined, ...names: readonly string[]): XmlElement | undefined =>
  names.reduce((at: XmlElement | undefined, name) => {
    const found = at?.children.filter((child) => child.name === name) ?? [];
    return found.length === 1 ? found[0] : undefined;
  }, root);

const textOf = (element: XmlElement | undefined): string | undefined =>
  element && element.children.length === 0 && element.text !== "" ? element.text : undefined;

/**
 * AssumeRoleWithWebIdentity of AWS STS (2011-06-15): a role's credentials for an OIDC token. The call is signed by nobody; the token proves all.
 * @throws CloudRefused, CloudUnavailable
 */
export const makeAwsCloud =
  ({ egress, clock }: Needs) =>
  async (role: AwsRole, ask: CloudAsk): Promise<CloudCredentials> => {
    const { status, text } = await post(
      egress,
      awsEndpoint(role),
      [
        ["Action", "AssumeRoleWithWebIdentity"],
        ["Version", "2011-06-15"],
        ["RoleArn", role.roleArn],
        ["RoleSessionName", ask.sessionName],
        ["WebIdentityToken", ask.token],
        ["DurationSeconds", String(ask.seconds)],
        ...(ask.policy === undefined ? [] : [["Policy", ask.policy] as const]),
      ],
      ask.signal,
    );
    const answer = parseXml(text);
    if (status !== 200) {
      const error = answer?.name === "ErrorResponse" ? only(answer, "Error") : undefined;
      throw refusal(status, textOf(only(error, "Code")), textOf(only(error, "Message")), ask, overloaded);
    }
    const given =
      answer?.name === "AssumeRoleWithWebIdentityResponse" ? only(answer, "AssumeRoleWithWebIdentityResult", "Credentials") : undefined;
    if (!given) throw new CloudUnavailable("nonsense");
    return credentialsFrom(
      {
        id: textOf(only(given, "AccessKeyId")),
        secret: textOf(only(given, "SecretAccessKey")),
        token: textOf(only(given, "SessionToken")),
        expiration: textOf(only(given, "Expiration")),
      },
      clock(),
    );
  };
