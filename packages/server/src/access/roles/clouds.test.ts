import type { ServerResponse } from "node:http";
import { decodeJwt, decodeProtectedHeader, type JSONWebKeySet } from "jose";
import { afterEach, expect, test } from "vitest";
import type { Principal } from "../../ground/kernel/index.ts";
import { eachStore } from "../../testing/stores.ts";
import { startAlibabaSts, startAwsSts, type TrustOfCloud } from "./clouds-for-tests.ts";
import type { RoleCloud } from "./role.ts";
import { hour, openRoles } from "./roles-for-tests.ts";

const issuer = "http://127.0.0.1:8700";
const aws = { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader" } as const;
const alibaba = {
  provider: "alibaba",
  roleArn: "acs:ram::1234567890123456:role/reader",
  oidcProviderArn: "acs:ram::1234567890123456:oidc-provider/legate",
} as const;
const audiences = { aws: "sts.amazonaws.com", alibaba: "sts.aliyuncs.com" } as const;
type Name = keyof typeof audiences;
const clouds = ["aws", "alibaba"] as const;

eachStore("a role of a cloud", (fresh) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** The house, an agent with a role at a cloud, and that cloud's STS, which takes what the house publishes as its keys. */
  const begin = async (name: Name, more: { audience?: string } = {}) => {
    const open = await openRoles(await fresh());
    closers.push(open.close);
    const { house, admin, hand, worker, roles } = open;
    const scout = await house.agents.create(admin, { name: "scout", roleArn: "cloud" });
    let trust: TrustOfCloud & { oidcProviderArn: string } = {
      issuer,
      keys: async () => (await house.signing.keySet("default")) as unknown as JSONWebKeySet,
      clock: hand.clock,
      audience: more.audience ?? audiences[name],
      subject: scout.id,
      roleArn: name === "aws" ? aws.roleArn : alibaba.roleArn,
      oidcProviderArn: alibaba.oidcProviderArn,
    };
    const sts = await (name === "aws" ? startAwsSts(() => trust) : startAlibabaSts(() => trust));
    closers.push(sts.stop);
    const cloud: RoleCloud = { ...(name === "aws" ? aws : alibaba), stsEndpoint: sts.url, ...more };
    const role = await roles.create(admin, { name: "cloud", cloud });
    return {
      ...open,
      sts,
      role,
      scout,
      who: await worker("scout", "alice"),
      distrust: (change: Partial<TrustOfCloud>) => {
        trust = { ...trust, ...change };
      },
    };
  };

  test.each(clouds)(
    "%s gives credentials for a token that its published keys verify, and the record tells of them without a secret",
    async (name) => {
      const { roles, who, sts, role, scout, hand, house, events, everything } = await begin(name);
      const given = await roles.assume(who, { seconds: 900, sessionName: "nightly" });
      expect(given).toEqual({
        ...(name === "aws"
          ? { accessKeyId: "ASIA1", accessKeySecret: "aws-secret-1", securityToken: "aws-token&1" }
          : { accessKeyId: "STS.1", accessKeySecret: "alibaba-secret-1", securityToken: "alibaba-token-1" }),
        expiresAt: hand.clock() + 900_000,
        roleArn: role.arn,
        roleId: role.id,
        sessionName: "nightly",
      });
      const [call] = sts.calls;
      expect(call?.form).toMatchObject({ RoleArn: role.arn, RoleSessionName: "nightly", DurationSeconds: "900" });
      expect(call?.form).not.toHaveProperty("Policy");
      const { kid, ...header } = decodeProtectedHeader(call?.token ?? "");
      expect(header).toEqual({ alg: "ES256", typ: "JWT" });
      expect((await house.signing.keySet("default")).keys.map((key) => key["kid"])).toContain(kid);
      const now = hand.clock() / 1000;
      expect(decodeJwt(call?.token ?? "")).toEqual({
        iss: issuer,
        aud: audiences[name],
        sub: scout.id,
        iat: now,
        exp: now + 300,
        jti: expect.any(String),
      });
      expect((await events("role.assumed"))[0]).toMatchObject({
        target: given.accessKeyId,
        agent: scout.id,
        user: who.user?.id,
        details: { cloud: name, role: role.arn, roleId: role.id, session: "nightly", expiresAt: given.expiresAt, narrowed: false },
      });
      const all = await everything();
      for (const secret of [given.accessKeySecret, given.securityToken, call?.token.split(".")[2] ?? "?"])
        expect(all).not.toContain(secret);
      // No key of ours was made for it.
      expect(await house.db.read.selectFrom("access_keys").selectAll().execute()).toEqual([]);
    },
  );

  test.each(clouds)("%s is asked with the audience, the policy and the life that were said; each token is used once", async (name) => {
    const { roles, who, sts, house, hand } = await begin(name, { audience: "https://legate.example/clouds" });
    const policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}';
    await roles.assume(who, { policy });
    expect((await house.vault.sts(who, { durationSeconds: 43_200 })).expiresAt).toBe(hand.clock() + 12 * hour);
    expect(sts.calls.map(({ form }) => [form["Policy"], form["DurationSeconds"], form["RoleSessionName"]])).toEqual([
      [policy, "3600", "scout"],
      [undefined, "43200", "scout"],
    ]);
    expect(new Set(sts.calls.map(({ token }) => token)).size).toBe(2);
  });

  test.each(clouds)(
    "%s lets nobody in whom it does not trust, and its own code is told, without the token that it repeats",
    async (name) => {
      const { roles, who, distrust, events, scout } = await begin(name);
      const asked = () => roles.assume(who, {}).catch((error: unknown) => error);
      const fault = {
        code: "provider_refused",
        details: { error: name === "aws" ? "AccessDenied" : "NoPermission", description: expect.any(String) },
      };
      distrust({ subject: `agt_${"0".repeat(32)}` });
      expect(await asked()).toMatchObject(fault);
      distrust({ subject: scout.id, audience: "somebody-else" });
      const invalid = await asked();
      const error = name === "aws" ? "InvalidIdentityToken" : "AuthenticationFail.OIDCToken.Invalid";
      expect(invalid).toMatchObject({ code: "provider_refused", details: { error } });
      expect(JSON.stringify(invalid)).not.toContain("eyJ");
      distrust({ audience: audiences[name], issuer: `${issuer}/t/acme` });
      expect(await asked()).toMatchObject({ details: { error } });
      distrust({ issuer, keys: () => Promise.resolve({ keys: [] }) });
      expect(await asked()).toMatchObject({ details: { error } });
      expect(await events("role.assumed")).toEqual([]);
      const refusals = await events("role.refused");
      expect(refusals.map(({ details }) => details["error"])).toContain(error);
      expect(JSON.stringify(refusals)).not.toContain("eyJ");
    },
  );

  const aFewHours = new Date(Date.UTC(2026, 0, 1, 3)).toISOString();
  const awsAnswer = (credentials: string) =>
    `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
  const awsFields = (change: Record<string, string> = {}) =>
    Object.entries({ AccessKeyId: "A", SecretAccessKey: "CANARY", SessionToken: "CANARY", Expiration: aFewHours, ...change })
      .map(([name, value]) => `<${name}>${value}</${name}>`)
      .join("");
  const alibabaAnswer = (change: Record<string, unknown> = {}) =>
    JSON.stringify({
      Credentials: { AccessKeyId: "A", AccessKeySecret: "CANARY", SecurityToken: "CANARY", Expiration: aFewHours, ...change },
    });
  const says = (status: number, body: string, headers: Record<string, string> = {}) => ({
    what: `${status} ${body.slice(0, 60)}`,
    bend: (response: ServerResponse) => response.writeHead(status, headers).end(body),
  });

  const nonsense: Readonly<Record<Name, readonly { what: string; bend: (response: ServerResponse) => unknown }[]>> = {
    aws: [
      says(200, ""),
      says(200, "<html><body>CANARY</body></html>"),
      says(200, '{"Credentials":{}}'),
      says(200, "<!DOCTYPE a [<!ENTITY b 'CANARY'>]><a>&b;</a>"),
      says(200, awsAnswer("")),
      says(200, awsAnswer(awsFields().replace("<AccessKeyId>A</AccessKeyId>", ""))),
      says(200, awsAnswer(`${awsFields()}<AccessKeyId>B</AccessKeyId>`)),
      says(200, awsAnswer(awsFields({ SecretAccessKey: "" }))),
      says(200, awsAnswer(awsFields({ SessionToken: "a b" }))),
      says(200, awsAnswer(awsFields({ SessionToken: "<b>CANARY</b>" }))),
      says(200, awsAnswer(awsFields({ Expiration: "tomorrow" }))),
      says(200, awsAnswer(awsFields({ Expiration: "2025-12-31T23:59:59Z" }))),
      says(201, awsAnswer(awsFields())),
      says(400, "<ErrorResponse><Error><Message>CANARY</Message></Error></ErrorResponse>"),
      says(403, "<html>CANARY</html>"),
    ],
    alibaba: [
      says(200, ""),
      says(200, "<html><body>CANARY</body></html>"),
      says(200, "[]"),
      says(200, '{"Credentials":"CANARY"}'),
      says(200, '{"Credentials":{"AccessKeyId":"A","AccessKeyId":"B"}}'),
      says(200, `${"[".repeat(1_000)}${"]".repeat(1_000)}`),
      says(200, alibabaAnswer({ AccessKeyId: 7 })),
      says(200, alibabaAnswer({ AccessKeySecret: "" })),
      says(200, alibabaAnswer({ SecurityToken: null })),
      says(200, alibabaAnswer({ SecurityToken: "a\nb" })),
      says(200, alibabaAnswer({ Expiration: 1_767_225_600 })),
      says(200, alibabaAnswer({ Expiration: "2025-12-31T23:59:59Z" })),
      says(202, alibabaAnswer()),
      says(400, '{"Message":"CANARY"}'),
      says(403, "CANARY"),
    ],
  };
  const unwilling = (name: Name) => [
    ...nonsense[name],
    says(500, name === "aws" ? "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>" : '{"Code":"InternalError"}'),
    says(429, "slow down"),
    says(400, name === "aws" ? "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>" : '{"Code":"Throttling.User"}'),
    says(302, "", { location: "http://127.0.0.1:1/" }),
    says(307, "", { location: "/" }),
    says(200, "x".repeat(100_000)),
    { what: "a broken connection", bend: (response: ServerResponse) => response.destroy() },
    {
      what: "half an answer",
      bend: (response: ServerResponse) => response.writeHead(200, { "content-length": "1000" }).write("{") && response.destroy(),
    },
  ];

  test.each(clouds)("%s that answers nonsense, late, too much or elsewhere gives nothing, and nothing is half done", async (name) => {
    const { roles, who, sts, events, everything, house } = await begin(name);
    for (const { what, bend } of unwilling(name)) {
      sts.bend((_request, response) => void bend(response));
      const thrown: unknown = await roles.assume(who, {}).catch((error: unknown) => error);
      expect(thrown, what).toMatchObject({ name: "Refusal", code: "provider_unavailable", details: { reason: expect.any(String) } });
      expect(JSON.stringify(thrown) + String(thrown), what).not.toMatch(/CANARY|eyJ/);
    }
    sts.bend();
    expect(await everything()).not.toMatch(/CANARY|eyJ/);
    expect((await events("role.refused"))[0]).toMatchObject({ outcome: "refused", details: { reason: "provider_unavailable" } });
    expect(await events("role.assumed")).toEqual([]);
    expect(await house.db.read.selectFrom("access_keys").selectAll().execute()).toEqual([]);
    await expect(roles.assume(who, {})).resolves.toBeDefined();
  });

  test("that hangs is left when its asker leaves", async () => {
    const { roles, who, sts } = await begin("aws");
    const leaving = new AbortController();
    sts.bend(() => leaving.abort(new Error("left")));
    await expect(roles.assume(who, { signal: leaving.signal })).rejects.toThrow("left");
  });

  /** What happens while the cloud takes its time, and how the asker is then refused. */
  type Meanwhile = (scene: Awaited<ReturnType<typeof begin>>) => Promise<unknown>;
  test.each<[string, Meanwhile, string]>([
    ["the agent is suspended", ({ house, admin }) => house.agents.suspend(admin, "scout"), "agent_suspended"],
    ["the agent is deleted", ({ house, admin }) => house.agents.remove(admin, "scout"), "unauthenticated"],
    ["its user is suspended", ({ house, admin, who }) => house.users.suspend(admin, who.user?.id ?? ""), "user_suspended"],
    ["the role is deleted", ({ roles, admin }) => roles.remove(admin, "cloud"), "role_unknown"],
    ["the role lets it in no longer", ({ roles, admin }) => roles.update(admin, "cloud", { agents: [] }), "role_refused"],
    ["the provider is suspended", ({ house, admin }) => house.providers.suspend(admin, undefined, "through"), "provider_suspended"],
  ])("gives nothing to who asked before %s", async (_what, meanwhile, code) => {
    const scene = await begin("alibaba");
    const { house, admin, who, sts } = scene;
    await house.providers.create(admin, { type: "sts", name: "through", roleArn: "cloud" });
    sts.bend(async (_request, response) => {
      await meanwhile(scene);
      response.end(alibabaAnswer());
    });
    await expect(house.vault.sts(who, { provider: "through" })).rejects.toMatchObject({ code });
  });

  test("is not asked at all for who may not have it", async () => {
    const { roles, admin, who, sts, house } = await begin("alibaba");
    const before: Principal = { ...who, method: "temporary_key" };
    await expect(roles.assume(before, {})).rejects.toMatchObject({ code: "forbidden" });
    await expect(roles.assume(who, { sessionName: "a=b" })).rejects.toMatchObject({ code: "invalid_request" });
    await expect(roles.assume(who, { policy: "{" })).rejects.toMatchObject({ code: "policy_invalid" });
    await expect(roles.assume(who, { policy: `{"a":"${"x".repeat(2_048)}"}` })).rejects.toMatchObject({ code: "policy_invalid" });
    await roles.update(admin, "cloud", { agents: [] });
    await expect(roles.assume(who, {})).rejects.toMatchObject({ code: "role_refused" });
    await roles.update(admin, "cloud", { agents: ["*"] });
    await house.agents.suspend(admin, "scout");
    await expect(roles.assume(who, {})).rejects.toMatchObject({ code: "agent_suspended" });
    expect(sts.calls).toEqual([]);
  });
});
