import { expect, test } from "vitest";
import { openIdentity, testPublicUrl } from "../../testing/identity.ts";
import { makeProver } from "../../testing/prover.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { AccessGrant } from "../tokens/index.ts";
import type { AccessProof } from "./by-access-token.ts";

const admin = adminOf("default");
const url = `${testPublicUrl}/oauth2/userinfo`;
const no = { code: "unauthenticated", message: "Send a live access token for this address." };

eachStore("a door that takes access tokens", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    const { agents, users, tokens, tenants, authn } = identity;
    await agents.create(admin, { name: "scout" });
    await agents.create(admin, { name: "helper" });
    const named = async (name: string) => {
      const { id, epoch } = await agents.get("default", name);
      return { id, epoch };
    };
    const [scout, helper] = [await named("scout"), await named("helper")];
    const alice = await users.asserted(admin, scout.id, "alice");
    const user = { id: alice.id, epoch: alice.epoch };
    const mint = async (some: Partial<AccessGrant> = {}) =>
      (
        await tokens.mint("access", "default", {
          audience: url,
          clientId: scout.id,
          scopes: ["openid", "profile"],
          user,
          actors: [scout, helper],
          tenantEpoch: 0,
          ...some,
        })
      ).token;
    const prove = (authorization: string | undefined, some: Partial<AccessProof> = {}) =>
      authn.proveAccess(
        { authorization, method: "GET", url, requestId: "req_1", address: "192.0.2.1", ...some },
        (tenant) => `${tenants.issuerOf(tenant)}/oauth2/userinfo`,
      );
    return { ...identity, scout, helper, user, mint, prove };
  };

  test("knows who asks: the agent that acts now, its user, the chain and the scopes", async () => {
    const { mint, prove, scout, helper, user, close } = await open();
    const token = await mint();
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(await prove(`${scheme} ${token}`, { tenant: "default" })).toEqual({
        tenant: "default",
        caller: { kind: "agent", id: scout.id },
        agent: expect.objectContaining({ id: scout.id, name: "scout", epoch: scout.epoch }) as unknown,
        user,
        actors: [scout.id, helper.id],
        scopes: ["openid", "profile"],
        method: "access_token",
        requestId: "req_1",
        address: "192.0.2.1",
      });
    }
    // A person's app is no agent: the client asks.
    const ofApp = await prove(`Bearer ${await mint({ clientId: "cli_1", actors: [] })}`);
    expect(ofApp).toMatchObject({ caller: { kind: "client", id: "cli_1" }, user, actors: [] });
    expect(ofApp).not.toHaveProperty("agent");
    await close();
  });

  test("takes a token that is for it, in its tenant, and nothing else; the answer is the same whatever it was", async () => {
    const { mint, prove, tokens, workloadTokens, agents, tenants, scout, close } = await open();
    await tenants.create(admin, "acme");
    const token = await mint();
    const grant = { agent: scout, tenantEpoch: 0, clientId: scout.id };
    const { apiKey } = await agents.createKey(admin, "scout", {});
    for (const [what, authorization] of Object.entries({
      none: undefined,
      empty: "",
      "no scheme": token,
      basic: `Basic ${token}`,
      "no token": "Bearer",
      two: `Bearer ${token} ${token}`,
      "another audience": `Bearer ${await mint({ audience: "https://api.example" })}`,
      "an audience that begins the same": `Bearer ${await mint({ audience: `${url}/more` })}`,
      "another tenant's audience": `Bearer ${await mint({ audience: `${testPublicUrl}/t/acme/oauth2/userinfo` })}`,
      "another kind": `Bearer ${(await workloadTokens.issue(admin, { agent: "scout" })).token}`,
      "a Coze access token": `Bearer ${(await tokens.mint("coze_access", "default", grant)).token}`,
      "a Coze ID token": `Bearer ${(await tokens.mint("coze_id", "default", grant)).token}`,
      "an ID token": `Bearer ${(await tokens.mint("id", "default", { clientId: url, subject: scout.id })).token}`,
      "a client assertion": `Bearer ${await tokens.clientAssertion("default", { clientId: scout.id, audience: url })}`,
      "an API key": `Bearer ${apiKey}`,
      altered: `Bearer ${token.slice(0, -6)}AAAAAA`,
      huge: `Bearer ${"a".repeat(17_000)}`,
    }))
      await expect(prove(authorization), what).rejects.toMatchObject(no);
    await expect(prove(`Bearer ${token}`, { tenant: "acme" })).rejects.toMatchObject(no);
    await expect(prove(`Bearer ${token}`)).resolves.toMatchObject({ tenant: "default" });
    // Nor does another tenant's address tell what became of the agent.
    await agents.suspend(admin, "scout");
    await expect(prove(`Bearer ${token}`, { tenant: "acme" })).rejects.toMatchObject(no);
    await expect(prove(`Bearer ${token}`)).rejects.toMatchObject({ code: "agent_suspended" });
    await close();
  });

  test("takes a token that is bound to a key with a proof of that key alone, and no other token with one", async () => {
    const { mint, prove, dpop, hand, audit, close } = await open();
    const prover = await makeProver();
    const bound = await mint({ thumbprint: prover.thumbprint });
    const loose = await mint();
    const nonce = dpop.nonce("default");
    const at = hand.clock();
    const proof = (some: Partial<Parameters<typeof prover.proof>[0]> = {}) =>
      prover.proof({ url, method: "GET", nonce, at, accessToken: bound, ...some });

    expect(await prove(`DPoP ${bound}`, { dpop: await proof() })).toMatchObject({ method: "access_token" });
    expect(await prove(`dpop ${bound}`, { dpop: await proof() })).toMatchObject({ method: "access_token" });
    // RFC 9449 7.1 and 7.2: neither downgraded, nor dressed up.
    await expect(prove(`Bearer ${bound}`)).rejects.toMatchObject(no);
    await expect(prove(`Bearer ${bound}`, { dpop: await proof() })).rejects.toMatchObject(no);
    await expect(prove(`DPoP ${loose}`, { dpop: await proof({ accessToken: loose }) })).rejects.toMatchObject(no);
    expect(await prove(`Bearer ${loose}`)).toMatchObject({ method: "access_token" });

    const refusals: Record<string, [string | undefined, string]> = {
      missing: [undefined, "missing"],
      "another key": [await (await makeProver()).proof({ url, method: "GET", nonce, at, accessToken: bound }), "other_key"],
      "another token": [await proof({ accessToken: loose }), "token"],
      "another method": [await proof({ method: "POST" }), "method"],
      "another address": [await proof({ url: `${testPublicUrl}/oauth2/token` }), "url"],
      old: [await proof({ at: at - 61_000 }), "time"],
      "no token hash": [await proof({ accessToken: undefined }), "token"],
    };
    for (const [what, [bad, reason]] of Object.entries(refusals))
      await expect(prove(`DPoP ${bound}`, { dpop: bad }), what).rejects.toMatchObject({ code: "dpop_invalid", details: { reason } });
    await expect(prove(`DPoP ${bound}`, { dpop: await proof({ nonce: undefined }) })).rejects.toMatchObject({
      code: "dpop_nonce_required",
      details: { nonce },
    });
    const once = await proof();
    await prove(`DPoP ${bound}`, { dpop: once });
    await expect(prove(`DPoP ${bound}`, { dpop: once })).rejects.toMatchObject({ details: { reason: "replayed" } });
    // None of it was an agent that may not act.
    expect((await audit.list("default", { action: "request.refused" }, { limit: 10 })).items).toEqual([]);
    await close();
  });

  test("refuses whoever may no longer act, wherever in the chain, and the record says who tried", async () => {
    const { mint, prove, agents, users, audit, scout, user, close } = await open();
    const token = await mint();
    const ofApp = await mint({ clientId: "cli_1", actors: [] });
    await prove(`Bearer ${token}`);
    await agents.suspend(admin, "helper");
    await expect(prove(`Bearer ${token}`)).rejects.toMatchObject({ code: "agent_suspended" });
    await agents.resume(admin, "helper");
    await expect(prove(`Bearer ${token}`)).rejects.toMatchObject({ code: "unauthenticated" });
    await prove(`Bearer ${ofApp}`);
    await users.suspend(admin, user.id);
    await expect(prove(`Bearer ${ofApp}`)).rejects.toMatchObject({ code: "user_suspended" });
    const { items } = await audit.list("default", { action: "request.refused" }, { limit: 10 });
    expect(items).toMatchObject([
      { user: user.id, details: { reason: "user_suspended" } },
      { agent: scout.id, user: user.id, details: { reason: "agent_suspended" } },
    ]);
    await close();
  });

  test("opens nothing of our own wire: no right there is an access token's", async () => {
    const { mint, authn, close } = await open();
    for (const authorization of [`Bearer ${await mint()}`, `Bearer ${await mint({ audience: `${testPublicUrl}/v1` })}`])
      await expect(
        authn.prove({ authorization, requestId: "r" }, ["admin", "operator", "auditor", "agent", "workload-token", "user-token"]),
      ).rejects.toMatchObject({ code: "unauthenticated" });
    await close();
  });
});
