import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { canonicalQuery, percent, signedHeaders, type Unsigned } from "./acs3.ts";

/** What the original client's signer makes of these requests. */
const vectors: readonly (Unsigned & {
  readonly name: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly signed: string;
})[] = [
  {
    name: "a form",
    method: "POST",
    path: "/",
    query: {},
    headers: {
      host: "agentidentitydata.cn-beijing.aliyuncs.com",
      "x-acs-version": "2025-11-27",
      "x-acs-action": "GetWorkloadAccessTokenForUserId",
      "x-acs-date": "2026-11-21T03:10:45Z",
      "x-acs-signature-nonce": "c694ebc90000000000000000000000aa",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: "UserId=alice&WorkloadIdentityName=workload-d43da8e7",
    accessKeyId: "test-ak",
    accessKeySecret: "test-secret",
    signed:
      "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=522d2f12ebfa50347d0e178ed9f202cfa9d1bf4335ba4eed7630325cb1a1d5b7",
  },
  {
    name: "an empty body",
    method: "POST",
    path: "/",
    query: {},
    headers: {
      host: "agentidentitydata.cn-beijing.aliyuncs.com",
      "x-acs-version": "2025-09-01",
      "x-acs-action": "ListWorkloadIdentities",
      "x-acs-date": "2026-11-21T03:10:45Z",
      "x-acs-signature-nonce": "c694ebc90000000000000000000000aa",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: "",
    accessKeyId: "ak_0123",
    accessKeySecret: "aks_secret/+=",
    signed:
      "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=7f300e54335c05c337691755ecb60f905edaa7ce7f6adc9fd773bceb18066759",
  },
  {
    name: "a security token, and every header of the original",
    method: "POST",
    path: "/",
    query: {},
    headers: {
      host: "http://127.0.0.1:18911",
      "x-acs-version": "2025-11-27",
      "x-acs-action": "GetWorkloadAccessTokenForUserId",
      "x-acs-date": "2026-11-21T03:10:45Z",
      "x-acs-signature-nonce": "c694ebc90000000000000000000000aa",
      "content-type": "application/x-www-form-urlencoded",
      "x-acs-accesskey-id": "tk_1",
      "x-acs-security-token": "st_token/==",
      accept: "application/json",
      "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
      "x-acs-credentials-provider": "static_sts",
    },
    body: "A=1",
    accessKeyId: "tk_1",
    accessKeySecret: "s",
    signed:
      "accept;content-type;host;user-agent;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version,Signature=1fae6c7624c592d6766e6ed356b65e57d0e158bd06be598225ac0ee20c70c072",
  },
  {
    name: "parameters in the query",
    method: "POST",
    path: "/",
    query: {
      RoleName: "AgentIdentityRole-x y/z~*'()!",
      Description: "naïve ünïcode 角色",
      Empty: "",
      PolicyDocument: '{"Version":"1","a":["*"]}',
    },
    headers: {
      host: "ram.aliyuncs.com",
      "x-acs-version": "2015-05-01",
      "x-acs-action": "CreateRole",
      "x-acs-date": "2026-11-21T03:10:45Z",
      "x-acs-signature-nonce": "c694ebc90000000000000000000000aa",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: "",
    accessKeyId: "ak",
    accessKeySecret: "s3cr3t",
    signed:
      "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=6a24b6afca8e32671e79fcf777cea19b7c473f74808a9fc91c8dd66a0fc931df",
  },
  {
    name: "a path",
    method: "POST",
    path: "/t/acme/",
    query: { b: "2", a: "1", B: "3" },
    headers: {
      host: "legate.example.com:8443",
      "x-acs-version": "2025-11-27",
      "x-acs-action": "GetWorkloadAccessTokenForUserId",
      "x-acs-date": "2026-11-21T03:10:45Z",
      "x-acs-signature-nonce": "c694ebc90000000000000000000000aa",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: "WorkloadIdentityName=%E4%BB%A3%E7%90%86",
    accessKeyId: "ak",
    accessKeySecret: "k",
    signed:
      "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=3504972a53ba720bf5bb5c824d4c05dc3cd38e8c511588b33dadf876b29e80de",
  },
];

describe("a signature", () => {
  it.each(vectors)("of $name is the original signer's", async ({ name: _, signed, accessKeyId, accessKeySecret, ...request }) => {
    const { authorization } = await signedHeaders(request, { accessKeyId, accessKeySecret });
    expect(authorization).toBe(`ACS3-HMAC-SHA256 Credential=${accessKeyId},SignedHeaders=${signed}`);
  });

  it("is the one of the public description", async () => {
    const headers = {
      host: "ecs.cn-shanghai.aliyuncs.com",
      "x-acs-action": "RunInstances",
      "x-acs-date": "2023-10-26T10:22:32Z",
      "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
      "x-acs-version": "2014-05-26",
    };
    const query = { ImageId: "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", RegionId: "cn-shanghai" };
    const key = { accessKeyId: "YourAccessKeyId", accessKeySecret: "YourAccessKeySecret" };
    const { authorization } = await signedHeaders({ method: "POST", path: "/", query, headers, body: "" }, key);
    expect(authorization).toBe(
      "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
    );
  });

  it("of temporary keys covers their token and their id", async () => {
    const request = { method: "POST", path: "/", query: {}, headers: { host: "h" }, body: "" };
    const { authorization, ...added } = await signedHeaders(request, { accessKeyId: "tk", accessKeySecret: "s", securityToken: "st" });
    expect(added).toMatchObject({ "x-acs-accesskey-id": "tk", "x-acs-security-token": "st" });
    expect(authorization).toContain("SignedHeaders=host;x-acs-accesskey-id;x-acs-content-sha256;x-acs-security-token,");
  });
});

describe("the query", () => {
  it("is escaped byte by byte, and read back as it was", () => {
    const byBytes = (text: string) =>
      Array.from(Buffer.from(text), (byte) => {
        const sign = String.fromCharCode(byte);
        return /[A-Za-z0-9\-._~]/.test(sign) ? sign : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
      }).join("");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(percent(text)).toBe(byBytes(text));
        expect(new URLSearchParams(canonicalQuery({ a: text })).get("a")).toBe(text);
      }),
    );
  });
});
