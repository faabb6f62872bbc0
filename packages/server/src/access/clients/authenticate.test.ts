import { createHmac, generateKeyPairSync } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { openDb } from "../../ground/db/index.ts";
import type { Refusal } from "../../ground/kernel/index.ts";
import { makeReplay } from "../../ground/replay/index.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { makeClients } from "./clients.ts";
import { admin, asserted, basic, clientPair, openClients, type OpenClients, proofOf } from "./clients-for-tests.ts";
import type { ClientProof } from "./index.ts";

const unauthenticated = { code: "client_unauthenticated" };

eachStore("a client proves itself", (fresh) => {
  let open: OpenClients;
  let address: Awaited<ReturnType<typeof fresh>>;
  beforeEach(async () => {
    address = await fresh();
    open = await openClients(address);
    return () => open.close();
  });
  const authenticate = (given: Partial<ClientProof>) => open.clients.authenticate(proofOf(given));
  const refusalOf = (given: Partial<ClientProof>) =>
    authenticate(given).then(
      () => undefined,
      (error: unknown) => error as Refusal,
    );
  const reasons = async () =>
    (await open.audit.list("default", { action: "client.refused" }, { limit: 100 })).items.map(({ details }) => details["reason"]);

  describe("by a secret", () => {
    test("in the header or in the form: the agent is the caller", async () => {
      const { agent, clientSecret } = open;
      for (const given of [{ authorization: basic(agent.id, clientSecret) }, { clientId: agent.id, clientSecret }]) {
        const { client, who } = await authenticate(given);
        expect(client).toMatchObject({ tenant: "default", id: agent.id, kind: "agent", name: "The Scout" });
        expect(client.redirectUris).toEqual(["https://scout.example/cb"]);
        expect(who).toEqual({
          tenant: "default",
          caller: { kind: "agent", id: agent.id },
          agent: client.agent,
          actors: [agent.id],
          method: "client_secret",
          requestId: "req_1",
          address: "192.0.2.1",
        });
      }
      // The same id beside the header says nothing new (RFC 6749 4.1.3).
      await authenticate({ authorization: basic(agent.id, clientSecret), clientId: agent.id });
    });

    test("the header's two parts are form-decoded each by itself (RFC 6749 2.3.1)", async () => {
      const { agent, clientSecret } = open;
      const encoded = Buffer.from(clientSecret).toString("hex").replaceAll(/../g, "%$&");
      const header = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
      await authenticate(header(`${agent.id}:${encoded}`));
      await authenticate({ authorization: basic(agent.id, clientSecret).replace("Basic", "bAsIc ") });
      for (const text of [
        `${agent.id}%3A${clientSecret}`,
        `${agent.id}:${clientSecret}%`,
        `${agent.id}:${clientSecret}%00`,
        `${agent.id}:+${clientSecret}`,
        `:${clientSecret}`,
        agent.id,
        "",
        `${agent.id}:\u00fc`,
      ]) {
        expect(await refusalOf(header(text)), text).toMatchObject(unauthenticated);
      }
    });

    test("one answer, whatever is wrong: unknown, another's, almost right, dead; the record tells which", async () => {
      const { agent, agents, clientSecret } = open;
      await agents.create(admin, { name: "clerk" });
      const other = await agents.createClientSecret(admin, "clerk", {});
      const messages = new Set<string>();
      const tries: Partial<ClientProof>[] = [
        {},
        { clientId: agent.id, clientSecret: other.clientSecret },
        { clientId: other.clientId, clientSecret },
        { clientId: `agt_${"0".repeat(32)}`, clientSecret },
        { clientId: "scout", clientSecret },
        { clientId: "a\0b", clientSecret },
        { clientId: "\ud800", clientSecret },
        { clientId: "a\0b" },
        { clientId: open.app.id, clientSecret },
        { clientId: "https://app.example/client", clientSecret },
        { clientId: agent.id, clientSecret: `${clientSecret.slice(0, -1)}${clientSecret.endsWith("0") ? "1" : "0"}` },
        { clientId: agent.id, clientSecret: "x" },
        { clientId: agent.id, clientSecret: "x".repeat(20_000) },
        { clientId: agent.id },
        { clientId: `${agent.id} `, clientSecret },
        { clientId: agent.id.toUpperCase(), clientSecret },
        { authorization: basic(agent.id, "wrong") },
        { authorization: basic(agent.id, "") },
        { authorization: `Bearer ${clientSecret}` },
        { authorization: "Basic" },
        { authorization: "Basic !!!!" },
        { authorization: "" },
        { clientSecret },
        { tenant: "acme", clientId: agent.id, clientSecret },
      ];
      for (const given of tries) {
        const refusal = await refusalOf(given);
        expect(refusal, JSON.stringify(given).slice(0, 200)).toMatchObject({ code: "client_unauthenticated", details: {} });
        messages.add(refusal?.message ?? "");
      }
      expect(messages.size).toBe(1);
      const told = JSON.stringify((await open.audit.list("default", { action: "client.refused" }, { limit: 100 })).items);
      expect(told).not.toContain(clientSecret);
      expect(new Set(await reasons())).toEqual(new Set(["secret", "no_proof", "other_tenant", "client_unknown"]));
    });

    test("an agent that is suspended, revoked or deleted, and one of a closed tenant, is refused; the record has the true reason", async () => {
      const { agents, tenants, audit, clients } = open;
      await tenants.create(admin, "acme");
      const acme = adminOf("acme");
      const dead: [string, Partial<ClientProof>][] = [];
      for (const end of ["suspend", "revoke", "remove"] as const) {
        const { id } = await agents.create(acme, { name: end });
        const { clientSecret } = await agents.createClientSecret(acme, end, {});
        await authenticate({ clientId: id, clientSecret });
        await agents[end](acme, end);
        dead.push([{ suspend: "suspended", revoke: "revoked", remove: "deleted" }[end], { clientId: id, clientSecret }]);
      }
      const { id } = await agents.create(acme, { name: "alive" });
      const { clientSecret } = await agents.createClientSecret(acme, "alive", {});
      await authenticate({ clientId: id, clientSecret });
      for (const [, given] of dead) {
        await expect(authenticate(given)).rejects.toMatchObject(unauthenticated);
        expect(await clients.find("acme", given.clientId ?? "")).toBeUndefined();
      }
      await agents.resume(acme, "suspend");
      await authenticate(dead[0]?.[1] ?? {});
      await tenants.suspend(admin, "acme");
      await expect(authenticate({ clientId: id, clientSecret })).rejects.toMatchObject(unauthenticated);
      expect(await clients.find("acme", id)).toBeUndefined();
      await tenants.resume(admin, "acme");
      await authenticate({ clientId: id, clientSecret });
      const { items } = await audit.list("acme", { action: "client.refused" }, { limit: 100 });
      const told = items.map(({ agent, details }) => [agent, details["reason"]]);
      expect(told).toEqual(expect.arrayContaining([...dead.map(([reason, { clientId }]) => [clientId, reason]), [id, "tenant_closed"]]));
      expect(told).toHaveLength(4);
    });

    test("a replaced secret goes on until it is deleted, and not a moment longer", async () => {
      const { agent, agents, clientSecret } = open;
      const second = await agents.createClientSecret(admin, "scout", {});
      await authenticate({ clientId: agent.id, clientSecret });
      await authenticate({ clientId: agent.id, clientSecret: second.clientSecret });
      const { items } = await agents.listClientSecrets("default", "scout", { limit: 10 });
      const first = items.find(({ id }) => id !== second.id);
      await agents.deleteClientSecret(admin, "scout", first?.id ?? "");
      await expect(authenticate({ clientId: agent.id, clientSecret })).rejects.toMatchObject(unauthenticated);
      await authenticate({ clientId: agent.id, clientSecret: second.clientSecret });
    });
  });

  describe("in one way only", () => {
    test("two ways at once are refused, also where each would do", async () => {
      const { agent, clientSecret, pair, hand } = open;
      const assertion = asserted(await pair.assert(agent.id, hand.clock()));
      const authorization = basic(agent.id, clientSecret);
      for (const given of [
        { authorization, clientSecret },
        { authorization, ...assertion },
        { clientId: agent.id, clientSecret, ...assertion },
        { authorization, clientId: open.app.id },
        { authorization, clientAssertionType: assertion.clientAssertionType },
      ]) {
        expect(await refusalOf(given)).toMatchObject({ code: "invalid_request" });
      }
      // RFC 6749 3.2: a parameter without a value was not sent.
      await authenticate({ authorization, clientSecret: "", clientAssertion: "", clientId: "" });
    });

    test("an assertion needs its type, and a type its assertion", async () => {
      const { agent, pair, hand } = open;
      const { clientAssertion, clientAssertionType } = asserted(await pair.assert(agent.id, hand.clock()));
      for (const given of [{ clientAssertion }, { clientAssertionType }, { clientAssertion, clientAssertionType: "urn:other" }]) {
        expect(await refusalOf(given)).toMatchObject({ code: "invalid_request" });
      }
    });
  });

  describe("by a key of its own", () => {
    test("with each kind of key, and with its issuer as the audience, alone or in a list of one", async () => {
      const { agent, agents, hand } = open;
      const pairs = [
        clientPair(generateKeyPairSync("ec", { namedCurve: "P-384" }), "ES384"),
        clientPair(generateKeyPairSync("ec", { namedCurve: "P-521" }), "ES512"),
        clientPair(generateKeyPairSync("ed25519"), "EdDSA"),
        clientPair(generateKeyPairSync("rsa", { modulusLength: 2048 }), "PS256"),
      ];
      for (const [at, pair] of pairs.entries()) {
        await agents.createClientKey(admin, "scout", { jwk: { ...pair.jwk, kid: `key-${at}` } });
        const { who } = await authenticate(asserted(await pair.assert(agent.id, hand.clock(), { aud: [testPublicUrl] }, { typ: "JWT" })));
        expect(who).toMatchObject({ method: "client_assertion", caller: { kind: "agent", id: agent.id } });
        const typed = { typ: "client-authentication+jwt", kid: `key-${at}` };
        await authenticate({ clientId: agent.id, ...asserted(await pair.assert(agent.id, hand.clock(), {}, typed)) });
      }
      const { items } = await agents.listClientKeys("default", "scout", { limit: 10 });
      expect(items.filter(({ lastUsedAt }) => lastUsedAt === hand.clock())).toHaveLength(4);
    });

    test("that does not hold is refused with one answer, and the record tells why", async () => {
      const { agent, agents, pair, hand, signing } = open;
      const now = hand.clock();
      const seconds = Math.floor(now / 1000);
      const { id: clerk } = await agents.create(admin, { name: "clerk" });
      const stranger = clientPair();
      const rsa = clientPair(generateKeyPairSync("rsa", { modulusLength: 2048 }), "RS256");
      await agents.createClientKey(admin, "scout", { jwk: { ...rsa.jwk, kid: "rsa", alg: "PS256" } });
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const [, payload = ""] = (await pair.assert(agent.id, now)).split(".");
      const forged = (header: object, signature = "AAAA") => `${part(header)}.${payload}.${signature}`;
      const hmac = (header: object) =>
        forged(
          header,
          createHmac("sha256", JSON.stringify(pair.jwk))
            .update(`${part(header)}.${payload}`)
            .digest("base64url"),
        );
      const cases: [string, string][] = [
        ["assertion_malformed", "x"],
        ["assertion_malformed", `${await pair.assert(agent.id, now)}x`],
        [
          "assertion_malformed",
          await pair.assert(agent.id, now, {}, { crit: ["b64"], b64: true }).catch(() => forged({ alg: "ES256", crit: ["x"], x: 1 })),
        ],
        ["assertion_type", await pair.assert(agent.id, now, {}, { typ: "at+jwt" })],
        ["assertion_type", await pair.assert(agent.id, now, {}, { typ: "dpop+jwt" })],
        ["assertion_subject", await pair.assert(agent.id, now, { iss: clerk })],
        ["assertion_subject", await pair.assert(agent.id, now, { iss: undefined })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: `${testPublicUrl}/oauth2/token` })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: `${testPublicUrl}/` })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: `${testPublicUrl}/t/acme` })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: [testPublicUrl, "https://other.example"] })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: [] })],
        ["assertion_audience", await pair.assert(agent.id, now, { aud: undefined })],
        ["assertion_expired", await pair.assert(agent.id, now, { exp: seconds - 31 })],
        ["assertion_expired", await pair.assert(agent.id, now, { exp: undefined })],
        ["assertion_expired", await pair.assert(agent.id, now, { exp: String(seconds + 60) as never })],
        ["assertion_too_long", await pair.assert(agent.id, now, { exp: seconds + 3631 })],
        ["assertion_too_long", await pair.assert(agent.id, now, { exp: 1e300 })],
        ["assertion_not_yet_valid", await pair.assert(agent.id, now, { nbf: seconds + 31 })],
        ["assertion_not_yet_valid", await pair.assert(agent.id, now, { iat: seconds + 31 })],
        ["assertion_jti", await pair.assert(agent.id, now, { jti: undefined })],
        ["assertion_jti", await pair.assert(agent.id, now, { jti: "" })],
        ["assertion_key", await pair.assert(agent.id, now, {}, { kid: "another" })],
        ["assertion_key", await pair.assert(agent.id, now, {}, { kid: "rsa" })],
        ["assertion_key", await rsa.assert(agent.id, now)],
        ["assertion_key", forged({ alg: "none" })],
        ["assertion_key", forged({ alg: "None" }, "")],
        ["assertion_key", hmac({ alg: "HS256" })],
        ["assertion_signature", await stranger.assert(agent.id, now)],
        ["assertion_signature", await stranger.assert(agent.id, now, {}, { jwk: stranger.jwk })],
        ["assertion_signature", forged({ alg: "ES256" }, Buffer.alloc(64).toString("base64url"))],
        ["assertion_signature", forged({ alg: "ES256" })],
        // Signed by us, for others: how Legate proves itself to a provider is no proof here.
        [
          "assertion_key",
          await signing.sign("default", "JWT", { iss: agent.id, sub: agent.id, aud: testPublicUrl, exp: seconds + 60, jti: "x" }),
        ],
      ];
      const before = new Set(await reasons());
      expect(before).toEqual(new Set());
      for (const [reason, assertion] of cases) {
        expect(await refusalOf({ clientId: agent.id, ...asserted(assertion) }), reason).toMatchObject(unauthenticated);
      }
      // Who cannot be told from the assertion is not told apart by it either.
      const unreadable = new Set(["assertion_malformed"]);
      expect(new Set(await reasons())).toEqual(new Set(cases.map(([reason]) => reason).filter((reason) => !unreadable.has(reason))));
      for (const clientId of [clerk, "x", `agt_${"0".repeat(32)}`]) {
        expect(await refusalOf({ clientId, ...asserted(await pair.assert(agent.id, now)) })).toMatchObject(unauthenticated);
      }
      for (const other of [clerk, `agt_${"0".repeat(32)}`, open.app.id, "https://app.example/client", "scout", "", "a\0b", "\ud800"]) {
        expect(await refusalOf(asserted(await pair.assert(other, now)))).toMatchObject(unauthenticated);
      }
      await authenticate(asserted(await pair.assert(agent.id, now)));
    });

    test("an assertion is used once, on whichever replica; one that was refused is not used up", async () => {
      const { agent, agents, pair, hand, tenants, audit, db, issuers, authn } = open;
      const assertion = await pair.assert(agent.id, hand.clock());
      await agents.suspend(admin, "scout");
      await expect(authenticate(asserted(assertion))).rejects.toMatchObject(unauthenticated);
      await agents.resume(admin, "scout");
      const tries = await Promise.allSettled(Array.from({ length: 16 }, () => authenticate(asserted(assertion))));
      expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await reasons()).toContain("assertion_replayed");

      const second = address.engine === "postgres" ? await openDb(address) : db;
      const elsewhere = makeClients({
        db: second,
        audit,
        clock: hand.clock,
        random: (size) => Buffer.alloc(size),
        replay: makeReplay({ db: second, clock: hand.clock }),
        egress: { fetch: () => Promise.reject(new Error("nothing is fetched")) },
        guard: authn.guard,
        tenants,
        agents,
        holdIssuer: issuers.hold,
        onDocumentForgotten: () => Promise.resolve(),
      });
      await expect(elsewhere.authenticate(proofOf(asserted(assertion)))).rejects.toMatchObject(unauthenticated);
      const next = await pair.assert(agent.id, hand.clock());
      await elsewhere.authenticate(proofOf(asserted(next)));
      await expect(authenticate(asserted(next))).rejects.toMatchObject(unauthenticated);
      // As long as it is believed, it is remembered; clocks may differ.
      hand.forward(89_000);
      await expect(authenticate(asserted(assertion))).rejects.toMatchObject(unauthenticated);
      if (second !== db) await second.close();
    });

    test("two agents may use the same jti", async () => {
      const { agent, agents, pair, hand } = open;
      const { id: clerk } = await agents.create(admin, { name: "clerk" });
      await agents.createClientKey(admin, "clerk", { jwk: pair.jwk });
      for (const id of [agent.id, clerk]) {
        const { who } = await authenticate(asserted(await pair.assert(id, hand.clock(), { jti: "same" })));
        expect(who.caller).toEqual({ kind: "agent", id });
      }
    });
  });

  describe("without any proof", () => {
    test("a client with a document is looked for only where a resource lets it in; while its document cannot be had it is not told that it is none", async () => {
      const { clients, tenants } = open;
      // Nothing listens there.
      const clientId = "https://127.0.0.1:1/client.json";
      const from = { requestId: "req_2", address: "192.0.2.1" };
      const looked = async () => {
        const found = await clients.find("default", clientId, from).then(String, (error: Refusal) => error.code);
        return `${found} ${(await refusalOf({ clientId }))?.code}`;
      };
      await tenants.create(admin, "acme");
      const shared = { identifier: "https://mail.example/", scopes: [] };
      await clients.resources.create(adminOf("acme"), { ...shared, name: "mail", clients: ["*"] });
      const { name } = await clients.resources.create(admin, { ...shared, name: "mail" });
      for (const [entries, expected] of [
        [[], "undefined client_unauthenticated"],
        [["registered", "notes"], "undefined client_unauthenticated"],
        [["https://127.0.0.1:1/other.json", "https://127.0.0.1:1/client"], "undefined client_unauthenticated"],
        [[clientId], "unavailable unavailable"],
        [["*"], "unavailable unavailable"],
        [[], "undefined client_unauthenticated"],
      ] as const) {
        await clients.resources.update(admin, name, { clients: [...entries] });
        expect(await looked(), entries.join(" ")).toBe(expected);
      }
      await clients.resources.update(admin, name, { clients: ["*"] });
      expect(await refusalOf({ clientId })).toMatchObject({ code: "unavailable", details: { retryAfter: 10 } });
      const { items } = await open.audit.list("default", { action: "client.refused" }, { limit: 100 });
      // What was never asked for stands in no record.
      expect(new Set(items.map(({ target, details }) => `${String(details["reason"])} ${target}`))).toEqual(
        new Set(["document_not_let_in undefined", `document_network ${clientId}`]),
      );
    });

    test("an app that an operator registered, by its id; it proves nothing, and says so", async () => {
      const { app } = open;
      for (const given of [{ clientId: app.id }, { authorization: basic(app.id, "") }]) {
        const { client, who } = await authenticate(given);
        expect(client).toMatchObject({ id: app.id, kind: "app", agent: undefined });
        expect(who).toEqual({
          tenant: "default",
          caller: { kind: "client", id: app.id },
          actors: [],
          method: "public_client",
          requestId: "req_1",
          address: "192.0.2.1",
        });
      }
    });

    test("an app that is suspended or deleted, or of another tenant, is refused", async () => {
      const { app, clients, tenants } = open;
      await tenants.create(admin, "acme");
      await expect(authenticate({ clientId: app.id, tenant: "acme" })).rejects.toMatchObject(unauthenticated);
      expect(await clients.find("acme", app.id)).toBeUndefined();
      await clients.apps.suspend(admin, "notes");
      await expect(authenticate({ clientId: app.id })).rejects.toMatchObject(unauthenticated);
      expect(await clients.find("default", app.id, { requestId: "req_2", address: undefined })).toBeUndefined();
      await clients.apps.resume(admin, "notes");
      await authenticate({ clientId: app.id });
      await clients.apps.remove(admin, "notes");
      await expect(authenticate({ clientId: app.id })).rejects.toMatchObject(unauthenticated);
      expect(new Set(await reasons())).toEqual(new Set(["other_tenant", "suspended", "client_unknown"]));
    });
  });

  test("what is changed of an agent or app is seen at the next request, and what people consented to has another version", async () => {
    const { agent, agents, app, clients } = open;
    const versionOf = async (id: string) => (await clients.find("default", id))?.version;
    const before = [await versionOf(agent.id), await versionOf(app.id)];
    await agents.update(admin, "scout", { description: "looks around", labels: { team: "a" } });
    await clients.apps.update(admin, "notes", { scopes: ["read"] });
    expect([await versionOf(agent.id), await versionOf(app.id)]).toEqual(before);
    expect((await clients.find("default", agent.id))?.agent?.labels).toEqual({ team: "a" });
    await agents.update(admin, "scout", { allowedReturnUrls: ["https://scout.example/other", "http://scout.example/plain"] });
    await clients.apps.update(admin, "notes", { redirectUris: ["https://notes.example/other"] });
    expect((await clients.find("default", agent.id))?.redirectUris).toEqual(["https://scout.example/other"]);
    const after = [await versionOf(agent.id), await versionOf(app.id)];
    for (const [at, version] of after.entries()) expect(version).not.toBe(before[at]);
    await agents.update(admin, "scout", { title: "Somebody Else" });
    await clients.apps.update(admin, "notes", { title: "Somebody Else" });
    expect(await versionOf(agent.id)).not.toBe(after[0]);
    expect(await versionOf(app.id)).not.toBe(after[1]);
  });
});
