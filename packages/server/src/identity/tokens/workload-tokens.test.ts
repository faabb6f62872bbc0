import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Principal } from "../../ground/kernel/index.ts";
import { openIdentity, testPublicUrl } from "../../testing/identity.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";

const admin = adminOf("default");
const minute = 60_000;
type Identity = Awaited<ReturnType<typeof openIdentity>>;

const asAgent = async ({ authn, agents }: Identity, name: string): Promise<Principal> => {
  const { apiKey } = await agents.createKey(admin, name, {});
  return authn.prove({ authorization: `Bearer ${apiKey}`, tenant: "default", requestId: "req_1" }, ["agent"]);
};
const spend = ({ authn }: Identity, token: string) =>
  authn.prove({ authorization: `Bearer ${token}`, tenant: "default", requestId: "req_2" }, ["workload-token"]);

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer({ clock: () => Date.UTC(2026, 0, 1) });
});
afterAll(() => issuer.stop());

eachStore("workload access tokens", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    await identity.agents.create(admin, { name: "scout" });
    return identity;
  };

  test("alone: the agent is the subject", async () => {
    const identity = await open();
    const answer = await identity.workloadTokens.issue(admin, { agent: "scout" });
    const { id } = await identity.agents.get("default", "scout");
    expect(answer).toMatchObject({ expiresIn: 1800, agent: { id, name: "scout" }, user: undefined });
    expect(decodeJwt(answer.token)).toMatchObject({ iss: testPublicUrl, aud: `${testPublicUrl}/vault`, sub: id });
    expect(decodeJwt(answer.token)).not.toHaveProperty("act");
    expect(await spend(identity, answer.token)).toMatchObject({
      caller: { kind: "agent", id },
      agent: { id, name: "scout" },
      method: "workload_token",
    });
    await identity.close();
  });

  test("for a user id: the user is the subject, the agent acts, and the user is that agent's alone", async () => {
    const identity = await open();
    await identity.agents.create(admin, { name: "other" });
    const scout = await identity.workloadTokens.issue(await asAgent(identity, "scout"), { userId: "alice" });
    const other = await identity.workloadTokens.issue(await asAgent(identity, "other"), { userId: "alice" });
    expect(scout.user).toMatchObject({ issuer: `urn:legate:asserted:${scout.agent.id}`, subject: "alice" });
    expect(scout.user?.id).not.toBe(other.user?.id);
    expect(decodeJwt(scout.token)).toMatchObject({ sub: scout.user?.id, act: { sub: scout.agent.id }, user_sub: "alice" });
    expect((await spend(identity, scout.token)).user?.id).toBe(scout.user?.id);
    await identity.close();
  });

  test("user ids are compared byte for byte", async () => {
    const identity = await open();
    const who = await asAgent(identity, "scout");
    const ids = ["alice", "Alice", "alice ", "al\u00edce", "ali\u0301ce", "\u0430lice"];
    const users = await Promise.all(ids.map(async (userId) => (await identity.workloadTokens.issue(who, { userId })).user?.id));
    expect(new Set(users).size).toBe(ids.length);
    await identity.close();
  });

  test("for a user's token: a trusted issuer's user, who is no asserted one", async () => {
    const identity = await open();
    await identity.issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    await identity.agents.update(admin, "scout", { issuer: "corp" });
    const who = await asAgent(identity, "scout");
    const userToken = await issuer.sign({ sub: "alice", aud: "app" });
    const proven = await identity.workloadTokens.issue(who, { userToken });
    const asserted = await identity.workloadTokens.issue(who, { userId: "alice" });
    expect(proven.user).toMatchObject({ issuer: issuer.url, subject: "alice" });
    expect(proven.user?.id).not.toBe(asserted.user?.id);
    await identity.close();
  });

  test("an invalid user token fails closed, and without a trusted issuer every user token is refused", async () => {
    const identity = await open();
    const who = await asAgent(identity, "scout");
    const userToken = await issuer.sign({ sub: "alice", aud: "app" });
    await expect(identity.workloadTokens.issue(who, { userToken })).rejects.toMatchObject({
      code: "user_token_invalid",
      details: { reason: "issuer" },
    });
    await identity.issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    await identity.agents.update(admin, "scout", { issuer: "corp" });
    await expect(identity.workloadTokens.issue(who, { userToken: `${userToken.slice(0, -8)}AAAAAAAA` })).rejects.toMatchObject({
      code: "user_token_invalid",
    });
    await expect(identity.workloadTokens.issue(who, { userToken: "garbage" })).rejects.toMatchObject({ code: "user_token_invalid" });
    expect((await identity.users.list("default", { limit: 10 })).items).toEqual([]);
    await identity.close();
  });

  test("an agent that may not assert users is refused a bare user id", async () => {
    const identity = await open();
    await identity.agents.update(admin, "scout", { assertedUsers: false });
    await expect(identity.workloadTokens.issue(admin, { agent: "scout", userId: "alice" })).rejects.toMatchObject({
      code: "asserted_users_forbidden",
    });
    await identity.close();
  });

  test("an agent's key gets tokens for that agent only", async () => {
    const identity = await open();
    await identity.agents.create(admin, { name: "other" });
    const who = await asAgent(identity, "scout");
    await expect(identity.workloadTokens.issue(who, { agent: "other" })).rejects.toMatchObject({ code: "forbidden" });
    await expect(identity.workloadTokens.issue(who, { agent: "scout" })).resolves.toMatchObject({ agent: { name: "scout" } });
    await expect(identity.workloadTokens.issue(admin, {})).rejects.toMatchObject({ code: "invalid_request" });
    await identity.close();
  });

  test("the same one is handed out to the same caller until a third is spent or something was revoked", async () => {
    const identity = await open();
    const who = await asAgent(identity, "scout");
    // The very first token comes with the first signing key, and is not kept: keys had just changed.
    await identity.workloadTokens.issue(who, { userId: "first" });
    const first = await identity.workloadTokens.issue(who, { userId: "alice" });
    identity.hand.forward(9 * minute);
    expect(await identity.workloadTokens.issue(who, { userId: "alice" })).toMatchObject({ token: first.token, expiresIn: 21 * 60 });
    expect((await identity.workloadTokens.issue(who, { userId: "bob" })).token).not.toBe(first.token);
    expect((await identity.workloadTokens.issue(who, {})).token).not.toBe(first.token);
    expect((await identity.workloadTokens.issue(admin, { agent: "scout", userId: "alice" })).token).not.toBe(first.token);
    identity.hand.forward(minute);
    const second = await identity.workloadTokens.issue(who, { userId: "alice" });
    expect(second.token).not.toBe(first.token);
    await identity.users.suspend(admin, first.user?.id ?? "");
    await identity.users.resume(admin, first.user?.id ?? "");
    expect((await identity.workloadTokens.issue(who, { userId: "alice" })).token).not.toBe(second.token);
    await identity.close();
  });

  test("each fresh one leaves one audit row that names agent and user, and holds no token", async () => {
    const identity = await open();
    const { token, agent, user } = await identity.workloadTokens.issue(admin, { agent: "scout", userId: "alice" });
    const { items } = await identity.audit.list("default", { action: "workload_token.minted" }, { limit: 10 });
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ agent: agent.id, user: user?.id, callerKind: "operator" });
    expect(JSON.stringify(items)).not.toContain(token.slice(0, 40));
    await identity.close();
  });
});

eachStore("revocation bites at the next request", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    await identity.agents.create(admin, { name: "scout" });
    const { token, user } = await identity.workloadTokens.issue(admin, { agent: "scout", userId: "alice" });
    await spend(identity, token);
    return { identity, token, userId: user?.id ?? "" };
  };

  test("a suspended agent's token is refused, and stays dead after it is resumed", async () => {
    const { identity, token } = await open();
    const { apiKey } = await identity.agents.createKey(admin, "scout", {});
    await identity.agents.suspend(admin, "scout");
    await expect(spend(identity, token)).rejects.toMatchObject({ code: "agent_suspended" });
    await expect(identity.workloadTokens.issue(admin, { agent: "scout" })).rejects.toMatchObject({ code: "agent_suspended" });
    const byKey = () => identity.authn.prove({ authorization: `Bearer ${apiKey}`, tenant: "default", requestId: "r" }, ["agent"]);
    await expect(byKey()).rejects.toMatchObject({ code: "agent_suspended" });
    const { items } = await identity.audit.list("default", { action: "request.refused" }, { limit: 10 });
    expect(items.map(({ details }) => details)).toEqual([{ reason: "agent_suspended" }, { reason: "agent_suspended" }]);
    await identity.agents.resume(admin, "scout");
    await expect(spend(identity, token)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(byKey()).resolves.toMatchObject({ method: "agent_key" });
    await identity.close();
  });

  test("a suspended user's token is refused, and stays dead after the user is resumed", async () => {
    const { identity, token, userId } = await open();
    await identity.users.suspend(admin, userId);
    await expect(spend(identity, token)).rejects.toMatchObject({ code: "user_suspended" });
    await expect(identity.workloadTokens.issue(admin, { agent: "scout", userId: "alice" })).rejects.toMatchObject({
      code: "user_suspended",
    });
    await identity.users.resume(admin, userId);
    await expect(spend(identity, token)).rejects.toMatchObject({ code: "unauthenticated" });
    await identity.close();
  });

  test("a deleted agent's token is unknown, also to an agent of the same name", async () => {
    const { identity, token } = await open();
    await identity.agents.remove(admin, "scout");
    await identity.agents.create(admin, { name: "scout" });
    await expect(spend(identity, token)).rejects.toMatchObject({ code: "unauthenticated" });
    await identity.close();
  });

  test("a principal that was proven before no longer stands after", async () => {
    const { identity, token } = await open();
    const who = await spend(identity, token);
    await expect(identity.standing.alive(who)).resolves.toBeUndefined();
    await identity.agents.suspend(admin, "scout");
    await identity.agents.resume(admin, "scout");
    await expect(identity.standing.alive(who)).rejects.toMatchObject({ code: "unauthenticated" });
    await identity.close();
  });
});

describe("what is no workload access token is refused by the same answer", () => {
  eachStore("forged", (fresh) => {
    test("expired, altered, of another kind, of another issuer, of another tenant, and none at all", async () => {
      const identity = await openIdentity(await fresh());
      await identity.agents.create(admin, { name: "scout" });
      const { token } = await identity.workloadTokens.issue(admin, { agent: "scout" });
      const [header = "", payload = "", signature = ""] = token.split(".");
      const { id } = await identity.agents.get("default", "scout");
      const claims = decodeJwt(token);
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const forged = [
        `${header}.${encode({ ...claims, sub: "agt_other" })}.${signature}`,
        `${encode({ alg: "none", typ: "wat+jwt" })}.${payload}.`,
        `${encode({ alg: "HS256", typ: "wat+jwt", kid: "x" })}.${payload}.${signature}`,
        `${header}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
        await identity.signing.sign("default", "JWT", claims),
        await identity.signing.sign("default", "at+jwt", claims),
        await identity.tokens.clientAssertion("default", { clientId: id, audience: `${testPublicUrl}/vault` }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, aud: testPublicUrl }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, iss: "http://elsewhere" }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, iss: `${testPublicUrl}/t/acme` }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, exp: undefined }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, jti: undefined }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, epochs: undefined }),
        await identity.signing.sign("default", "wat+jwt", { ...claims, exp: Number(claims.iat) - 1 }),
        await identity.signing.sign("acme", "wat+jwt", { ...claims, iss: `${testPublicUrl}/t/acme`, aud: `${testPublicUrl}/t/acme/vault` }),
        "garbage",
        "a.b.c",
        "sk_garbage",
        "x".repeat(20_000),
      ];
      for (const bad of forged) {
        await expect(spend(identity, bad), bad.slice(0, 60)).rejects.toMatchObject({
          code: "unauthenticated",
          message: (await spend(identity, "unknown").catch((error: unknown) => error as Error)) instanceof Error ? expect.any(String) : "",
        });
      }
      // The kind is checked where the signature is, not only where tokens are told apart.
      await expect(identity.tokens.verify("workload", token)).resolves.toMatchObject({ agentId: id });
      for (const typ of ["JWT", "at+jwt"]) {
        const other = await identity.signing.sign("default", typ, claims);
        await expect(identity.tokens.verify("workload", other), typ).rejects.toMatchObject({ code: "unauthenticated" });
      }
      identity.hand.forward(30 * minute + 1000);
      await expect(spend(identity, token)).rejects.toMatchObject({ code: "unauthenticated" });
      await identity.close();
    });
  });
});
