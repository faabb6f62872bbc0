import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as the fake understood it. */
export interface AlibabaSeen {
  readonly action: string;
  readonly version: string;
  readonly path: string;
  readonly host: string;
  readonly params: Readonly<Record<string, string>>;
  /** Whose key signed it; undefined for what is anonymous. */
  readonly signer: string | undefined;
  readonly anonymous: boolean;
}
export interface AlibabaReply {
  readonly status?: number;
  readonly body?: unknown;
  readonly text?: string;
  readonly headers?: Record<string, string>;
}
type Handler = (seen: AlibabaSeen) => AlibabaReply | undefined | Promise<AlibabaReply | undefined>;

export const refusal = (
  status: number,
  code: string,
  message = `Refused: ${code}.`,
  headers: Record<string, string> = {},
): AlibabaReply => ({
  status,
  body: { RequestId: "req-1", Code: code, Message: message },
  headers,
});

const dataVersion = "2025-11-27";
const controlVersion = "2025-09-01";
/** What each action may be sent, and what it must be. */
const parameters: Readonly<Record<string, { readonly required: readonly string[]; readonly optional?: readonly string[] }>> = {
  GetWorkloadAccessToken: { required: ["WorkloadIdentityName"] },
  GetWorkloadAccessTokenForJWT: { required: ["WorkloadIdentityName", "UserToken"] },
  GetWorkloadAccessTokenForUserId: { required: ["WorkloadIdentityName", "UserId"] },
  AssumeRoleForWorkloadIdentity: { required: ["WorkloadAccessToken", "RoleSessionName"], optional: ["DurationSeconds", "Policy"] },
  GetResourceAPIKey: { required: ["ResourceCredentialProviderName", "WorkloadAccessToken"], optional: ["TokenVaultName"] },
  GetResourceOAuth2Token: {
    required: ["ResourceCredentialProviderName", "WorkloadAccessToken"],
    optional: [
      ...["Audience", "CustomParameters", "CustomState", "ForceAuthentication", "OAuth2Flow", "ResourceOAuth2ReturnURL"],
      ...["Scopes", "SessionURI", "TokenVaultName"],
    ],
  },
  CompleteResourceTokenAuth: { required: ["SessionURI", "UserIdentifier"] },
  CreateWorkloadIdentity: {
    required: ["WorkloadIdentityName"],
    optional: [
      "AllowedResourceOAuth2ReturnURLs",
      "CreateRAMRole",
      "Description",
      "IdentityProviderName",
      "RoleArn",
      "SessionBindingEnabled",
    ],
  },
  ListWorkloadIdentities: { required: [], optional: ["MaxResults", "NextToken"] },
  GetCallerIdentity: { required: [] },
  CreateRole: { required: ["RoleName", "AssumeRolePolicyDocument"], optional: ["Description"] },
};
const inQuery = new Set(["CreateRole", "GetCallerIdentity"]);

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
/** RFC 3986, byte by byte. */
const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => {
    const sign = String.fromCharCode(byte);
    return /[A-Za-z0-9\-._~]/.test(sign) ? sign : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");

/** Agent Identity as its clients see it, from memory: signatures, nonces, times and parameters are checked to the letter. */
export class FakeAlibaba {
  readonly seen: AlibabaSeen[] = [];
  /** Secrets by access key id; what is deleted here is refused. */
  readonly keys = new Map<string, { readonly secret: string; readonly securityToken?: string; readonly of?: string }>([
    ["ak_1", { secret: "secret-of-ak_1" }],
  ]);
  readonly workloads = new Map<string, { readonly role: boolean }>([["mail", { role: true }]]);
  /** Workload tokens by what they stand for; what is deleted here is refused. */
  readonly workloadTokens = new Map<string, { readonly workload: string; readonly user: string }>();
  consent: "not-needed" | "pending" | "granted" = "not-needed";
  /** Seconds that a workload token says it holds; undefined makes it opaque. */
  workloadTokenLife: number | undefined = 1_800;
  /** `ExpiresIn`; undefined leaves it out. */
  accessTokenLife: number | undefined = 3_600;
  roleKeyLife = 3_600;
  clock: () => number = Date.now;
  url = "";
  readonly #handlers = new Map<string, Handler>();
  readonly #nonces = new Set<string>();
  #minted = 0;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakeAlibaba> {
    const fake = new FakeAlibaba();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    return fake;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What a client needs to know of this server. */
  get options() {
    return { endpoint: this.url, workloadName: "mail", credentials: { accessKeyId: "ak_1", accessKeySecret: "secret-of-ak_1" } } as const;
  }

  /** Answers an action before the fake itself does, after the signature was checked; undefined leaves it to the fake. */
  on(action: string, handler: Handler): void {
    this.#handlers.set(action, handler);
  }

  /** The answers of one action, in this order, then the fake's own. */
  script(action: string, ...replies: readonly AlibabaReply[]): void {
    const left = [...replies];
    this.on(action, () => left.shift());
  }

  asked(action: string): readonly Readonly<Record<string, string>>[] {
    return this.seen.filter((seen) => seen.action === action).map(({ params }) => params);
  }

  count(action?: string): number {
    return action === undefined ? this.seen.length : this.asked(action).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const reply = await this.#answer(request, Buffer.concat(chunks));
    response.writeHead(reply.status ?? 200, { "content-type": "application/json", ...reply.headers });
    response.end(reply.text ?? JSON.stringify({ RequestId: "req-1", ...(reply.body as object) }));
  }

  async #answer(request: IncomingMessage, body: Buffer): Promise<AlibabaReply> {
    const { headers } = request;
    const [path = "", search = ""] = (request.url ?? "").split("?");
    const query = Object.fromEntries(new URLSearchParams(search));
    const action = String(headers["x-acs-action"]);
    const version = String(headers["x-acs-version"]);
    if (request.method !== "POST") return refusal(405, "UnsupportedHTTPMethod");
    if (headers["content-type"] !== "application/x-www-form-urlencoded") return refusal(415, "UnsupportedMediaType");
    const anonymous = action === "AssumeRoleForWorkloadIdentity";
    const { Action, Format, Version, Timestamp, SignatureNonce, ...rest } = query;
    const unfit = anonymous
      ? headers.authorization !== undefined ||
        Action !== action ||
        Format !== "json" ||
        Version !== version ||
        !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(Timestamp ?? "") ||
        !this.#isNew(`anonymous ${SignatureNonce}`)
      : Action !== undefined;
    if (unfit) return refusal(400, "IncompleteSignature");
    const signer = anonymous ? undefined : this.#verified(request, path, search, body);
    if (typeof signer === "object") return signer;
    const form = Object.fromEntries(new URLSearchParams(body.toString()));
    const params = inQuery.has(action) ? rest : form;
    const seen: AlibabaSeen = { action, version, path, host: headers.host ?? "", params, signer, anonymous };
    this.seen.push(seen);
    if (Object.keys(inQuery.has(action) ? form : rest).length > 0) return refusal(400, "InvalidParameter");
    return (await this.#handlers.get(action)?.(seen)) ?? this.#unfitting(seen) ?? this.#own(seen);
  }

  #isNew(nonce: string): boolean {
    if (this.#nonces.has(nonce)) return false;
    this.#nonces.add(nonce);
    return true;
  }

  /** Who signed, as Alibaba Cloud's documentation has it verified, or why it does not hold. */
  #verified({ headers, method }: IncomingMessage, path: string, search: string, body: Buffer): string | AlibabaReply {
    const parts = /^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    );
    if (!parts) return refusal(401, "IncompleteSignature");
    const [, id = "", names = "", signature = ""] = parts;
    const key = this.keys.get(id);
    if (!key) return refusal(401, "InvalidAccessKeyId.NotFound");
    if (headers["x-acs-security-token"] !== key.securityToken) return refusal(401, "InvalidSecurityToken.MismatchWithAccessKey");
    const signed = names.split(";");
    for (const name of ["host", ...Object.keys(headers).filter((header) => header.startsWith("x-acs-"))])
      if (!signed.includes(name)) return refusal(401, "IncompleteSignature", `${name} is not signed.`);
    if (headers["x-acs-content-sha256"] !== sha256(body)) return refusal(401, "SignatureDoesNotMatch");
    const canonicalQuery = [...new URLSearchParams(search)]
      .map(([name, value]) => `${percent(name)}=${percent(value)}`)
      .toSorted()
      .join("&");
    const lines = signed.map((name) => `${name}:${String(headers[name]).trim()}\n`).join("");
    const canonical = `${method}\n${path}\n${canonicalQuery}\n${lines}\n${names}\n${sha256(body)}`;
    const wanted = createHmac("sha256", key.secret)
      .update(`ACS3-HMAC-SHA256\n${sha256(canonical)}`)
      .digest("hex");
    if (wanted !== signature) return refusal(401, "SignatureDoesNotMatch");
    const date = String(headers["x-acs-date"]);
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(date) || Math.abs(Date.parse(date) - this.clock()) > 900_000)
      return refusal(401, "InvalidTimeStamp.Expired");
    const nonce = String(headers["x-acs-signature-nonce"]);
    if (!/^[0-9a-f]{32}$/.test(nonce) || !this.#isNew(`${id} ${nonce}`)) return refusal(401, "SignatureNonceUsed");
    return id;
  }

  #unfitting({ action, params }: AlibabaSeen): AlibabaReply | undefined {
    const known = parameters[action];
    if (!known) return undefined;
    const missing = known.required.find((name) => params[name] === undefined || params[name] === "");
    if (missing !== undefined) return refusal(400, `MissingParameter.${missing}`);
    const unknown = Object.keys(params).find((name) => !known.required.includes(name) && !known.optional?.includes(name));
    if (unknown !== undefined) return refusal(400, `InvalidParameter.${unknown}`);
    const flags = ["ForceAuthentication", "CreateRAMRole", "SessionBindingEnabled"];
    const wrong = flags.find((name) => params[name] !== undefined && !/^(true|false)$/.test(params[name] ?? ""));
    return wrong === undefined ? undefined : refusal(400, `InvalidParameter.${wrong}`);
  }

  #own(seen: AlibabaSeen): AlibabaReply {
    const { action, params, version } = seen;
    const wanted = action.includes("Role") && action !== "AssumeRoleForWorkloadIdentity" ? "2015-05-01" : dataVersion;
    this.#minted += 1;
    switch (action) {
      case "CreateWorkloadIdentity":
        if (version !== controlVersion) break;
        if (this.workloads.has(params.WorkloadIdentityName ?? "")) return refusal(409, "EntityAlreadyExists.WorkloadIdentity");
        this.workloads.set(params.WorkloadIdentityName ?? "", { role: params.RoleArn !== undefined || params.CreateRAMRole === "true" });
        return { body: { WorkloadIdentity: { WorkloadIdentityName: params.WorkloadIdentityName, AllowedResourceOAuth2ReturnURLs: [] } } };
      case "ListWorkloadIdentities":
        return { body: { TotalCount: 1, WorkloadIdentities: [{ WorkloadIdentityName: "mail", SomethingNew: 1 }] } };
      case "GetCallerIdentity":
        return { body: { AccountId: "1234567890123456" } };
      case "CreateRole":
        return { body: { Role: { RoleName: params.RoleName, Arn: `acs:ram::1234567890123456:role/${params.RoleName}` } } };
      case "GetWorkloadAccessToken":
      case "GetWorkloadAccessTokenForJWT":
      case "GetWorkloadAccessTokenForUserId":
        return version === dataVersion ? this.#mint(params) : refusal(404, "InvalidAction.NotFound");
      case "CompleteResourceTokenAuth":
        return { body: {} };
      default:
    }
    if (version !== wanted) return refusal(404, "InvalidAction.NotFound");
    const who = this.workloadTokens.get(params.WorkloadAccessToken ?? "");
    if (!who) return refusal(401, "InvalidParameter.WorkloadAccessToken");
    return this.#spend(seen, who);
  }

  #mint(params: AlibabaSeen["params"]): AlibabaReply {
    const workload = params.WorkloadIdentityName ?? "";
    if (!this.workloads.has(workload)) return refusal(404, "EntityNotExists.WorkloadIdentity");
    const claims =
      params.UserToken && (JSON.parse(Buffer.from(params.UserToken.split(".")[1] ?? "", "base64url").toString()) as { sub: string });
    const user = claims ? `jwt:${claims.sub}` : (params.UserId ?? "-");
    const life = this.workloadTokenLife;
    const exp = Math.floor(this.clock() / 1000) + (life ?? 0);
    const payload = Buffer.from(JSON.stringify({ exp, jti: this.#minted })).toString("base64url");
    const token = life === undefined ? `wat-${this.#minted}-opaque-and-secret` : `e30.${payload}.c2ln`;
    this.workloadTokens.set(token, { workload, user });
    return { body: { WorkloadAccessToken: token, WorkloadIdentityArn: `acs:agentidentity:x:1:workloadidentity/${workload}` } };
  }

  #spend({ action, params, signer }: AlibabaSeen, { workload, user }: { readonly workload: string; readonly user: string }): AlibabaReply {
    if (action === "AssumeRoleForWorkloadIdentity") {
      if (!this.workloads.get(workload)?.role) return refusal(400, "MissingRoleArn");
      const id = `tk_${this.#minted}`;
      const securityToken = `st-${this.#minted}-secret`;
      this.keys.set(id, { secret: `aks-${this.#minted}-secret`, securityToken, of: `${workload}/${user}` });
      const seconds = Math.min(Number(params.DurationSeconds ?? 3_600), this.roleKeyLife);
      const Expiration = `${new Date(this.clock() + seconds * 1000).toISOString().slice(0, 19)}Z`;
      return {
        body: { Credentials: { AccessKeyId: id, AccessKeySecret: `aks-${this.#minted}-secret`, SecurityToken: securityToken, Expiration } },
      };
    }
    const by = signer?.startsWith("tk_") ? "role" : "caller";
    // The role's keys are good for the user they were lent for, and no other.
    const of = this.keys.get(signer ?? "")?.of;
    if (of !== undefined && of !== `${workload}/${user}`) return refusal(403, "NoPermission");
    const what = [params.ResourceCredentialProviderName, params.TokenVaultName ?? "-", params.OAuth2Flow ?? "-", params.Scopes ?? "-"];
    if (action === "GetResourceAPIKey") return { body: { APIKey: ["key", workload, user, by, ...what.slice(0, 2)].join("/") } };
    if (this.consent === "pending" || (this.consent === "granted" && params.SessionURI === undefined)) {
      return {
        body: { AuthorizationURL: `${this.url}/consent`, SessionURI: "urn:ietf:params:oauth:request_uri:s1", SessionStatus: "IN_PROGRESS" },
      };
    }
    const life = this.accessTokenLife;
    return {
      body: { AccessToken: ["token", workload, user, by, ...what, this.#minted].join("/"), ...(life !== undefined && { ExpiresIn: life }) },
    };
  }
}
