import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";

/** What a fake cloud trusts, as its administrator has set it up. */
export interface TrustOfCloud {
  /** Whose tokens it takes, and the keys that the issuer publishes. */
  readonly issuer: string;
  readonly keys: () => Promise<JSONWebKeySet>;
  readonly clock: () => number;
  readonly audience: string;
  readonly subject: string;
  readonly roleArn: string;
}

/** One call as the fake understood it. */
export interface CloudCall {
  readonly query: Readonly<Record<string, string>>;
  readonly form: Readonly<Record<string, string>>;
  readonly token: string;
}

interface Said {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Bent = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Parameters that stand once each. */
const single = (params: URLSearchParams): Readonly<Record<string, string>> | undefined => {
  const all = [...params];
  return new Set(all.map(([name]) => name)).size === all.length ? Object.fromEntries(all) : undefined;
};

/** Why a cloud takes a token not: by its keys, its issuer, its audience, its type, its time and its subject; undefined where it takes it. */
const faultOfToken = async (token: string, trust: TrustOfCloud): Promise<"invalid" | "untrusted" | undefined> => {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(await trust.keys()), {
      algorithms: ["ES256"],
      issuer: trust.issuer,
      audience: trust.audience,
      typ: "JWT",
      requiredClaims: ["sub", "iat", "exp", "jti"],
      maxTokenAge: 300,
      currentDate: new Date(trust.clock()),
    });
    return payload.sub === trust.subject ? undefined : "untrusted";
  } catch {
    return "invalid";
  }
};

const start = async (judge: (query: URLSearchParams, form: URLSearchParams) => Promise<Said>) => {
  const state: { bent: Bent | undefined } = { bent: undefined };
  const server = createServer((request, response) => {
    void (async () => {
      if (state.bent) {
        await state.bent(request, response);
        return;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const url = new URL(request.url ?? "/", "http://sts.test");
      const isForm = request.headers["content-type"] === "application/x-www-form-urlencoded";
      const asked = request.method === "POST" && url.pathname === "/" && isForm && request.headers.authorization === undefined;
      const { status, type, body } = asked
        ? await judge(url.searchParams, new URLSearchParams(Buffer.concat(chunks).toString()))
        : { status: 404, type: "text/plain", body: "not found" };
      response.writeHead(status, { "content-type": type }).end(body);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    /** Answers instead of the fake, until it is called again without anything. */
    bend: (bent?: Bent): void => {
      state.bent = bent;
    },
    stop: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

const sessionName = /^[\w+=,.@-]{2,64}$/;
const duration = (text: string | undefined): number => (/^\d+$/.test(text ?? "") ? Number(text) : Number.NaN);
const moment = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

/** STS of Alibaba Cloud as its API reference describes AssumeRoleWithOIDC (2015-04-01), for one role and one OIDC provider. */
export const startAlibabaSts = async (trust: () => TrustOfCloud & { readonly oidcProviderArn: string }) => {
  const calls: CloudCall[] = [];
  const nonces = new Set<string>();
  const said = (status: number, body: object): Said => ({ status, type: "application/json", body: JSON.stringify(body) });
  const no = (status: number, code: string, message = code): Said =>
    said(status, { RequestId: "REQ-1", HostId: "sts.aliyuncs.com", Code: code, Message: message, Recommend: "" });
  const server = await start(async (query, form) => {
    const [common, given] = [single(query), single(form)];
    if (!common || !given) return no(400, "InvalidParameter");
    const { Action, Format, Version, Timestamp = "", SignatureNonce = "", ...more } = common;
    if (Action !== "AssumeRoleWithOIDC" || Version !== "2015-04-01") return no(404, "InvalidAction.NotFound");
    if (Format !== "JSON" || Object.keys(more).length > 0) return no(400, "InvalidParameter");
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(Timestamp) ? Date.parse(Timestamp) : Number.NaN;
    if (!(Math.abs(at - trust().clock()) < 15 * 60_000)) return no(400, "InvalidTimeStamp.Expired");
    if (!/^\S{16,64}$/.test(SignatureNonce) || nonces.has(SignatureNonce)) return no(400, "SignatureNonceUsed");
    nonces.add(SignatureNonce);
    const { RoleArn, OIDCProviderArn, OIDCToken = "", RoleSessionName = "", DurationSeconds, Policy, ...others } = given;
    if (Object.keys(others).length > 0) return no(400, "InvalidParameter", `Unknown ${Object.keys(others).join()}`);
    if (OIDCProviderArn !== trust().oidcProviderArn) return no(404, "EntityNotExist.OIDCProvider");
    if (RoleArn !== trust().roleArn) return no(404, "EntityNotExist.Role");
    if (OIDCToken.length < 4 || OIDCToken.length > 20_000) return no(400, "InvalidParameter.OIDCToken");
    if (!/^[A-Za-z0-9.@_-]{2,64}$/.test(RoleSessionName)) return no(400, "InvalidParameter.RoleSessionName");
    const seconds = duration(DurationSeconds);
    if (!(seconds >= 900 && seconds <= 43_200)) return no(400, "InvalidParameter.DurationSeconds");
    if (Policy !== undefined && (Policy.length > 2_048 || !Policy.startsWith("{"))) return no(400, "InvalidParameter.PolicyGrammar");
    const fault = await faultOfToken(OIDCToken, trust());
    if (fault === "invalid") return no(400, "AuthenticationFail.OIDCToken.Invalid", `This JWT ${OIDCToken} is not valid.`);
    if (fault === "untrusted") return no(403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.");
    calls.push({ query: common, form: given, token: OIDCToken });
    return said(200, {
      RequestId: "REQ-1",
      OIDCTokenInfo: { Subject: trust().subject, Issuer: trust().issuer, ClientIds: trust().audience },
      AssumedRoleUser: { AssumedRoleId: `33157794895460****:${RoleSessionName}`, Arn: `${trust().roleArn}/${RoleSessionName}` },
      Credentials: {
        AccessKeyId: `STS.${calls.length}`,
        AccessKeySecret: `alibaba-secret-${calls.length}`,
        SecurityToken: `alibaba-token-${calls.length}`,
        Expiration: moment(trust().clock() + seconds * 1_000),
      },
    });
  });
  return { ...server, calls };
};

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** STS of AWS as its API reference describes AssumeRoleWithWebIdentity (2011-06-15), for one role. */
export const startAwsSts = async (trust: () => TrustOfCloud) => {
  const calls: CloudCall[] = [];
  const said = (status: number, body: string): Said => ({ status, type: "text/xml", body });
  const no = (status: number, code: string, message = code): Said =>
    said(
      status,
      `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <Error>\n    <Type>Sender</Type>\n    <Code>${code}</Code>\n    <Message>${escaped(message)}</Message>\n  </Error>\n  <RequestId>1</RequestId>\n</ErrorResponse>\n`,
    );
  const server = await start(async (query, form) => {
    const [common, given] = [single(query), single(form)];
    if (!common || !given || Object.keys(common).length > 0) return no(400, "ValidationError");
    const { Action, Version, RoleArn, RoleSessionName = "", WebIdentityToken = "", DurationSeconds, Policy, ...others } = given;
    if (Action !== "AssumeRoleWithWebIdentity" || Version !== "2011-06-15") return no(400, "InvalidAction");
    if (Object.keys(others).length > 0 || !sessionName.test(RoleSessionName)) return no(400, "ValidationError");
    const seconds = duration(DurationSeconds);
    if (!(seconds >= 900 && seconds <= 43_200)) return no(400, "ValidationError");
    if (Policy !== undefined && (Policy.length > 2_048 || !Policy.startsWith("{"))) return no(400, "MalformedPolicyDocument");
    const fault = await faultOfToken(WebIdentityToken, trust());
    if (fault === "invalid") return no(400, "InvalidIdentityToken", `Token ${WebIdentityToken} is not valid`);
    if (fault === "untrusted" || RoleArn !== trust().roleArn)
      return no(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    calls.push({ query: common, form: given, token: WebIdentityToken });
    const n = calls.length;
    return said(
      200,
      `<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>${trust().subject}</SubjectFromWebIdentityToken>
    <Audience>${trust().audience}</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/${RoleSessionName}</Arn><AssumedRoleId>AROA:${RoleSessionName}</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>aws&#x2D;token&amp;${n}</SessionToken>
      <SecretAccessKey>aws-secret-${n}</SecretAccessKey>
      <Expiration>${moment(trust().clock() + seconds * 1_000)}</Expiration>
      <AccessKeyId>ASIA${n}</AccessKeyId>
    </Credentials>
    <Provider>${trust().issuer}</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
`,
    );
  });
  return { ...server, calls };
};
