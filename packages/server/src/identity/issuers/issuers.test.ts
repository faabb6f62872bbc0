import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { generateKeyPair } from "jose";
import Provider from "oidc-provider";
import { afterAll, describe, expect, test } from "vitest";
import { makeEgress } from "../../ground/egress/index.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { makeUsers } from "../users/index.ts";
import { makeIssuers } from "./index.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");
const page = { limit: 50 };

eachStore("trusted issuers", (fresh) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const close of closers) await close();
  });

  const upstream = async (options?: Parameters<typeof startTestIssuer>[0]): Promise<TestIssuer> => {
    const started = await startTestIssuer(options);
    closers.push(started.stop);
    return started;
  };

  const open = async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const egress = makeEgress({ allow: ["127.0.0.1"] });
    closers.push(
      () => egress.close(),
      () => ground.db.close(),
    );
    const users = makeUsers({ ...ground, onSuspended: () => Promise.resolve(), onRevoked: () => Promise.resolve() });
    /** The issuers that agents name: the registry of agents stands above this room. */
    const named = new Set<string>();
    const agentsNaming = (_: unknown, tenant: string, id: string) => Promise.resolve(named.has(`${tenant}/${id}`));
    const issuers = makeIssuers({ ...ground, egress, issuerOf: () => "https://legate.example", usersNamedBy: users.claimOf, agentsNaming });
    const events = async () => (await ground.audit.list("acme", {}, page)).items.map(({ action, target }) => ({ action, target }));
    return { ...ground, ...hand, issuers, users, named, events };
  };

  test("are created by what their metadata says, and the audit says so", async () => {
    const { issuers, events, audit } = await open();
    const idp = await upstream();
    const made = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a", "b"] });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^iss_[0-9a-f]{32}$/),
      name: "idp",
      issuer: idp.url,
      discoveryUrl: `${idp.url}/.well-known/openid-configuration`,
      audiences: ["a", "b"],
      subjectClaim: "sub",
      login: undefined,
      loginCallbackUrl: "https://legate.example/login/callback",
    });
    for (const name of ["idp", made.id]) expect(await issuers.get("acme", name)).toEqual(made);
    expect(await issuers.findByIss("acme", idp.url)).toEqual(made);
    expect(await events()).toEqual([{ action: "issuer.created", target: made.id }]);
    expect((await audit.list("acme", {}, page)).items[0]?.details).toEqual({
      name: "idp",
      issuer: idp.url,
      audiences: ["a", "b"],
      subjectClaim: "sub",
    });
  });

  test("are unique in a tenant by name and by issuer, and free in another", async () => {
    const { issuers } = await open();
    const [one, two] = [await upstream(), await upstream()];
    await issuers.create(acme, { name: "one", discoveryUrl: one.url, audiences: ["a"] });
    await expect(issuers.create(acme, { name: "one", discoveryUrl: two.url, audiences: ["a"] })).rejects.toMatchObject({
      code: "issuer_exists",
      details: { name: "one" },
    });
    await expect(issuers.create(acme, { name: "two", discoveryUrl: one.url, audiences: ["a"] })).rejects.toMatchObject({
      code: "issuer_exists",
      details: { issuer: one.url },
    });
    await expect(issuers.create(globex, { name: "one", discoveryUrl: one.url, audiences: ["a"] })).resolves.toBeDefined();
    const both = await Promise.allSettled(
      [1, 2].map(() => issuers.create(acme, { name: "twin", discoveryUrl: two.url, audiences: ["a"] })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("of one tenant are nobody else's", async () => {
    const { issuers } = await open();
    const idp = await upstream();
    const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"] });
    const unknown = { code: "issuer_unknown" };
    for (const name of ["idp", id]) {
      await expect(issuers.get("globex", name)).rejects.toMatchObject(unknown);
      await expect(issuers.update(globex, name, { audiences: ["x"] })).rejects.toMatchObject(unknown);
      await expect(issuers.remove(globex, name)).rejects.toMatchObject(unknown);
    }
    await expect(issuers.loginClient("globex", id)).rejects.toMatchObject(unknown);
    expect(await issuers.findByIss("globex", idp.url)).toBeUndefined();
    expect((await issuers.list("globex", page)).items).toEqual([]);
    expect((await issuers.list("acme", page)).items).toHaveLength(1);
  });

  test("are listed newest first, page by page", async () => {
    const { issuers, forward } = await open();
    for (const name of ["one", "two", "three"]) {
      await issuers.create(acme, { name, discoveryUrl: (await upstream()).url, audiences: ["a"] });
      forward(1);
    }
    const first = await issuers.list("acme", { limit: 2 });
    const second = await issuers.list("acme", { limit: 2, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(["three", "two", "one"]);
    expect(second.nextCursor).toBeUndefined();
  });

  test("keep their subject claim once users exist, and change the rest", async () => {
    const { issuers, users, events } = await open();
    const idp = await upstream();
    const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"] });
    expect(await issuers.update(acme, "idp", { subjectClaim: "oid" })).toMatchObject({ subjectClaim: "oid", audiences: ["a"] });
    await users.proven(acme, idp.url, "alice", "oid");
    await expect(issuers.update(acme, "idp", { subjectClaim: "sub" })).rejects.toMatchObject({
      code: "issuer_in_use",
      details: { by: "users" },
    });
    expect(await issuers.update(acme, id, { subjectClaim: "oid", audiences: ["b"] })).toMatchObject({
      subjectClaim: "oid",
      audiences: ["b"],
    });
    expect((await events()).filter(({ action }) => action === "issuer.updated")).toHaveLength(2);
    const token = await idp.sign({ aud: "a", sub: "x", oid: "alice", exp: 4_000_000_000 });
    await expect(issuers.verify("acme", id, token)).rejects.toMatchObject({ details: { reason: "audience" } });
  });

  test("may be found elsewhere from now on: another issuer's tokens hold then, and no key of the former signs for it", async () => {
    const { issuers, events } = await open();
    const [former, next] = [await upstream(), await upstream()];
    const claims = { aud: "a", sub: "alice", exp: 4_000_000_000 };
    const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: former.url, audiences: ["a"], description: "d" });
    await expect(issuers.verify("acme", id, await former.sign(claims))).resolves.toMatchObject({ subject: "alice" });
    const changed = await issuers.update(acme, "idp", { discoveryUrl: next.url, description: "" });
    expect(changed).toMatchObject({ id, issuer: next.url, discoveryUrl: `${next.url}/.well-known/openid-configuration` });
    expect(changed.description).toBeUndefined();
    expect(await issuers.get("acme", id)).toEqual(changed);
    await expect(issuers.verify("acme", id, await next.sign(claims))).resolves.toMatchObject({ iss: next.url });
    for (const forged of [await former.sign(claims), await former.sign({ ...claims, iss: next.url })])
      await expect(issuers.verify("acme", id, forged)).rejects.toMatchObject({ code: "user_token_invalid" });
    expect((await events())[0]).toEqual({ action: "issuer.updated", target: id });
  });

  test("are not found where another one is, nor where nothing answers, and keep no login client of the former", async () => {
    const { issuers } = await open();
    const [one, two, three] = [await upstream(), await upstream(), await upstream()];
    const login = { clientId: "legate", clientSecret: "canary" };
    await issuers.create(acme, { name: "one", discoveryUrl: one.url, audiences: ["a"], login });
    await issuers.create(acme, { name: "two", discoveryUrl: two.url, audiences: ["a"] });
    await expect(issuers.update(acme, "one", { discoveryUrl: two.url, login: null })).rejects.toMatchObject({
      code: "issuer_exists",
      details: { issuer: two.url },
    });
    await expect(issuers.update(acme, "two", { discoveryUrl: "http://127.0.0.1:1" })).rejects.toMatchObject({ code: "issuer_unavailable" });
    const refused = (path: string) => ({ code: "invalid_request", details: { issues: [expect.objectContaining({ path })] } });
    await expect(issuers.update(acme, "one", { discoveryUrl: three.url })).rejects.toMatchObject(refused("login"));
    await expect(
      issuers.update(acme, "one", { discoveryUrl: three.url, login: { clientId: "legate", clientAuth: "client_secret_basic" } }),
    ).rejects.toMatchObject(refused("login.clientSecret"));
    await expect(issuers.get("acme", "one")).resolves.toMatchObject({ issuer: one.url, login: { clientId: "legate" } });
    await expect(issuers.update(acme, "one", { discoveryUrl: one.url })).resolves.toMatchObject({ login: { clientId: "legate" } });
    await expect(issuers.update(acme, "one", { discoveryUrl: three.url, login })).resolves.toMatchObject({ issuer: three.url });
  });

  test("are counted, and one without an audience believes nobody", async () => {
    const { issuers } = await open();
    const idp = await upstream();
    const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: [] });
    await expect(issuers.create(acme, { name: "again", discoveryUrl: idp.url, audiences: [] })).rejects.toMatchObject({
      code: "issuer_exists",
    });
    expect([await issuers.count("acme"), await issuers.count("globex")]).toEqual([1, 0]);
    const token = await idp.sign({ aud: "a", sub: "alice", exp: 4_000_000_000 });
    await expect(issuers.verify("acme", id, token)).rejects.toMatchObject({ details: { reason: "audience" } });
    const gone = await Promise.allSettled([issuers.remove(acme, "idp"), issuers.remove(acme, "idp")]);
    expect(gone.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(issuers.count("acme")).resolves.toBe(0);
  });

  test("removed and made again keep the subject claim of their users, so that nobody comes into another's name", async () => {
    const { issuers, users } = await open();
    const idp = await upstream();
    const idpBy = (subjectClaim?: string) =>
      issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"], ...(subjectClaim !== undefined && { subjectClaim }) });
    await idpBy("nickname");
    await issuers.remove(acme, "idp");
    await idpBy();
    const alice = await users.proven(acme, idp.url, "alice", "sub");
    await issuers.remove(acme, "idp");
    await expect(idpBy("nickname")).rejects.toMatchObject({ code: "issuer_in_use", details: { by: "users", subjectClaim: "sub" } });
    await expect(issuers.findByIss("acme", idp.url)).resolves.toBeUndefined();
    const { id } = await idpBy();
    const { iss, subject, subjectClaim } = await issuers.verify("acme", id, await idp.sign({ aud: "a", sub: "alice", exp: 4_000_000_000 }));
    expect(await users.proven(acme, iss, subject, subjectClaim)).toEqual(alice);
    await expect(users.proven(acme, iss, subject, "nickname")).rejects.toMatchObject({ code: "user_token_invalid" });
  });

  test("stay while an agent trusts them, and are gone when removed", async () => {
    const { issuers, named, events } = await open();
    const idp = await upstream();
    const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"] });
    named.add(`acme/${id}`);
    await expect(issuers.remove(acme, "idp")).rejects.toMatchObject({ code: "issuer_in_use", details: { by: "agents" } });
    expect(await issuers.get("acme", "idp")).toMatchObject({ id });
    named.clear();
    await issuers.remove(acme, id);
    await expect(issuers.get("acme", "idp")).rejects.toMatchObject({ code: "issuer_unknown" });
    await expect(issuers.verify("acme", id, await idp.sign({ aud: "a", sub: "x" }))).rejects.toMatchObject({ code: "issuer_unknown" });
    expect((await events()).map(({ action }) => action)).toContain("issuer.deleted");
    await expect(issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"] })).resolves.toBeDefined();
  });

  describe("with a login", () => {
    const secret = "canary-secret";

    test("seal its secret, never show it, and give it to the login alone", async () => {
      const { issuers, db, audit } = await open();
      const idp = await upstream();
      const made = await issuers.create(acme, {
        name: "idp",
        discoveryUrl: idp.url,
        audiences: ["a"],
        login: { clientId: "legate", clientSecret: secret },
      });
      expect(made.login).toEqual({ clientId: "legate", clientAuth: "client_secret_basic", scopes: ["openid"] });
      const listed = [
        made,
        await issuers.get("acme", "idp"),
        (await issuers.list("acme", page)).items,
        (await audit.list("acme", {}, page)).items,
      ];
      expect(JSON.stringify([...listed, await db.read.selectFrom("issuers").selectAll().execute()])).not.toContain(secret);
      const client = await issuers.loginClient("acme", made.id);
      expect(client).toMatchObject({
        issuerId: made.id,
        clientId: "legate",
        clientSecret: secret,
        clientAuth: "client_secret_basic",
        scopes: ["openid"],
        redirectUri: "https://legate.example/login/callback",
        metadata: { issuer: idp.url, authorization_endpoint: `${idp.url}/authorize`, token_endpoint: `${idp.url}/token` },
      });
      expect(client?.subjectOf({ sub: "alice" })).toBe("alice");
      expect(() => client?.subjectOf({ oid: "alice" })).toThrow(expect.objectContaining({ details: { reason: "claim_missing" } }));
    });

    test("keep the secret of the same client where none is given, and drop it with the client or its use", async () => {
      const { issuers } = await open();
      const login = { clientId: "legate", clientSecret: secret };
      const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: (await upstream()).url, audiences: ["a"], login });
      const after = async (change: Parameters<typeof issuers.update>[2]) => {
        await issuers.update(acme, id, change);
        const client = await issuers.loginClient("acme", id);
        return client && [client.clientId, client.clientAuth, client.clientSecret];
      };
      expect(await after({ audiences: ["b"] })).toEqual(["legate", "client_secret_basic", secret]);
      expect(await after({ login: { clientId: "legate", clientAuth: "client_secret_post" } })).toEqual([
        "legate",
        "client_secret_post",
        secret,
      ]);
      expect(await after({ login: { clientId: "legate", clientSecret: "new" } })).toEqual(["legate", "client_secret_basic", "new"]);
      expect(await after({ login: { clientId: "another" } })).toEqual(["another", "none", undefined]);
      expect(await after({ login: { clientId: "legate" } })).toEqual(["legate", "none", undefined]);
      expect(await after({ login })).toEqual(["legate", "client_secret_basic", secret]);
      expect(await after({ login: { clientId: "legate", clientAuth: "private_key_jwt" } })).toEqual([
        "legate",
        "private_key_jwt",
        undefined,
      ]);
      expect(await after({ login: null })).toBeUndefined();
    });

    test("whose parts do not fit together are refused", async () => {
      const { issuers } = await open();
      const { url } = await upstream();
      for (const login of [
        { clientId: "x", clientAuth: "client_secret_basic" as const },
        { clientId: "x", clientAuth: "client_secret_post" as const },
        { clientId: "x", clientAuth: "none" as const, clientSecret: "s" },
        { clientId: "x", clientAuth: "private_key_jwt" as const, clientSecret: "s" },
        { clientId: "x", scopes: ["profile"] },
        { clientId: "x", scopes: [] },
      ]) {
        const created = issuers.create(acme, { name: "idp", discoveryUrl: url, audiences: ["a"], login });
        await expect(created).rejects.toMatchObject({ code: "invalid_request" });
      }
    });

    test("need endpoints to log in at, and are unavailable without", async () => {
      const { issuers, forward } = await open();
      const idp = await upstream({ metadata: { authorization_endpoint: undefined } });
      const { id } = await issuers.create(acme, { name: "idp", discoveryUrl: idp.url, audiences: ["a"], login: { clientId: "x" } });
      await expect(issuers.loginClient("acme", id)).rejects.toMatchObject({ code: "issuer_unavailable" });
      const whole = await upstream();
      const other = await issuers.create(acme, { name: "whole", discoveryUrl: whole.url, audiences: ["a"], login: { clientId: "x" } });
      whole.setUp(false);
      forward(60 * 60_000);
      // An outage leaves the endpoints that were known.
      expect(await issuers.loginClient("acme", other.id)).toMatchObject({ metadata: { token_endpoint: `${whole.url}/token` } });
    });
  });

  test("hold a real provider's ID tokens, and refuse its other tokens", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const { kty, n, e, d, p, q, dp, dq, qi } = await crypto.subtle.exportKey("jwk", privateKey);
    const provider = new Provider(url, {
      jwks: { keys: [{ kty, n, e, d, p, q, dp, dq, qi, use: "sig", alg: "RS256" } as never] },
      clients: [{ client_id: "legate", client_secret: "s".repeat(40), redirect_uris: ["https://legate.example/login/callback"] }],
      ttl: { IdToken: 3600 },
      features: { devInteractions: { enabled: false } },
    });
    const answer = provider.callback();
    server.on("request", (request, response) => void answer(request, response));
    const client = await provider.Client.find("legate");
    if (!client) throw new Error("The provider lost its client.");
    const issue = (use: string): Promise<string> => {
      const token = new provider.IdToken({ sub: "carol" }, { client });
      return Object.assign(token, { scope: "openid" }).issue({ use } as never);
    };

    const { issuers, set } = await open();
    set(Date.now());
    const { id, issuer } = await issuers.create(acme, { name: "real", discoveryUrl: `${url}/`, audiences: ["legate"] });
    expect(issuer).toBe(url);
    expect(await issuers.verify("acme", id, await issue("idtoken"))).toMatchObject({ iss: url, subject: "carol" });
    await expect(issuers.verify("acme", id, await issue("logout"))).rejects.toMatchObject({ details: { reason: "type" } });
    set(Date.now() + 2 * 60 * 60_000);
    await expect(issuers.verify("acme", id, await issue("idtoken"))).rejects.toMatchObject({ details: { reason: "expired" } });
    server.closeAllConnections();
    server.close();
  });
});
