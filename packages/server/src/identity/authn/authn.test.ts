import type { Right } from "@legate/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openIdentity } from "../../testing/identity.ts";
import { startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { makesOneShape } from "../../testing/shapes.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";

const admin = adminOf("default");
const everyRight: readonly Right[] = ["admin", "operator", "auditor", "agent", "user-token", "workload-token"];

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer({ clock: () => Date.UTC(2026, 0, 1) });
});
afterAll(() => issuer.stop());

eachStore("every kind of credential at every right", (fresh) => {
  test("is known where its right is named, forbidden elsewhere, and unknown in another tenant", async () => {
    const identity = await openIdentity(await fresh());
    const { agents, issuers, workloadTokens, operators, authn } = identity;
    const adminKey = (await operators.installAdminKey(undefined)) ?? "";
    await agents.create(admin, { name: "scout" });
    await issuers.create(admin, { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    const { apiKey } = await agents.createKey(admin, "scout", {});
    const credentials: Record<string, string> = {
      admin: adminKey,
      agent: apiKey,
      "workload-token": (await workloadTokens.issue(admin, { agent: "scout", userId: "alice" })).token,
      "user-token": await issuer.sign({ sub: "alice", aud: "app" }),
    };
    const prove = (credential: string, rights: readonly Right[], tenant = "default") =>
      authn.prove({ authorization: `Bearer ${credential}`, tenant, requestId: "req_1", address: "192.0.2.1" }, rights);

    for (const [own, credential] of Object.entries(credentials)) {
      for (const right of everyRight) {
        if (right === own)
          expect(await prove(credential, [right])).toMatchObject({ tenant: "default", requestId: "req_1", address: "192.0.2.1" });
        else {
          // A user's token is not even looked at where none may be used.
          const code = own === "user-token" ? "unauthenticated" : "forbidden";
          await expect(prove(credential, [right]), `${own} as ${right}`).rejects.toMatchObject({ code });
        }
      }
      await expect(prove(credential, everyRight, "acme"), own).rejects.toMatchObject({ code: "unauthenticated" });
    }
    const { items } = await identity.audit.list("default", { action: "request.refused" }, { limit: 100 });
    // The operator's and the agent's: what repeats within a minute is counted.
    expect(items.map(({ callerKind }) => callerKind).sort()).toEqual(["agent", "operator"]);
    await identity.close();
  });

  test("all who come with one kind of credential are told in one shape, however many they are", async () => {
    const identity = await openIdentity(await fresh());
    const { agents, workloadTokens, operators, authn } = identity;
    const adminKey = (await operators.installAdminKey(undefined)) ?? "";
    const names = ["scout", "clerk"];
    const each = <T>(make: (name: string) => Promise<T>) => Promise.all(names.map(make));
    await each((name) => agents.create(admin, { name }));
    const credentials: Record<string, readonly string[]> = {
      operator: [adminKey, adminKey],
      agent: await each(async (name) => (await agents.createKey(admin, name, {})).apiKey),
      token: await each(async (agent) => (await workloadTokens.issue(admin, { agent })).token),
      "user's token": await each(async (agent) => (await workloadTokens.issue(admin, { agent, userId: "alice" })).token),
    };
    const prove = (credential: string) =>
      authn.prove({ authorization: `Bearer ${credential}`, tenant: undefined, requestId: "req_1", address: "192.0.2.1" }, everyRight);
    for (const [kind, some] of Object.entries(credentials))
      expect(await makesOneShape((n) => prove(some[n % some.length] ?? "")), kind).toBe(true);
    await identity.close();
  });

  test("a user's token counts where the address is a tenant that trusts its issuer, and not while that one is suspended", async () => {
    const identity = await openIdentity(await fresh());
    await identity.tenants.create(admin, "acme");
    await identity.issuers.create(adminOf("acme"), { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    const authorization = `Bearer ${await issuer.sign({ sub: "alice", aud: "app" })}`;
    const at = (tenant: string | undefined) => identity.authn.prove({ authorization, tenant, requestId: "req_1" }, ["user-token"]);
    const no = { code: "unauthenticated" };
    expect(await at("acme")).toMatchObject({ tenant: "acme", method: "user_token" });
    for (const elsewhere of [undefined, "default", "nowhere"]) await expect(at(elsewhere)).rejects.toMatchObject(no);
    await identity.tenants.suspend(admin, "acme");
    await expect(at("acme")).rejects.toMatchObject(no);
    await identity.tenants.resume(admin, "acme");
    expect(await at("acme")).toMatchObject({ tenant: "acme" });
    await identity.close();
  });

  test("one answer for none, malformed, unknown and almost right", async () => {
    const identity = await openIdentity(await fresh());
    const adminKey = (await identity.operators.installAdminKey(undefined)) ?? "";
    await identity.agents.create(admin, { name: "scout" });
    const { apiKey } = await identity.agents.createKey(admin, "scout", {});
    const messages = new Set<string>();
    for (const authorization of [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Basic abc",
      `Basic ${adminKey}`,
      adminKey,
      "Bearer a b",
      `Bearer ${adminKey}x`,
      `Bearer ${adminKey.slice(0, -1)}`,
      `Bearer ${adminKey.toUpperCase()}`,
      `Bearer ${apiKey.slice(0, -1)}${apiKey.endsWith("0") ? "1" : "0"}`,
      "Bearer sk_0000000000000000000000000000000000000000000000000000000000000000",
      "Bearer eyJhbGciOiJub25lIn0.e30.",
      "Bearer ..",
      ...["https://id.test/\0", "https://id.test/\ud800", "", 7, null].map((iss) => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
        return `Bearer ${part({ alg: "ES256" })}.${part({ iss })}.AAAA`;
      }),
      `Bearer ${"a".repeat(16_385)}`,
      "Bearer \u00e9",
    ]) {
      const error: unknown = await identity.authn
        .prove({ authorization, tenant: "default", requestId: "r" }, everyRight)
        .catch((thrown: unknown) => thrown);
      expect(error, String(authorization).slice(0, 40)).toMatchObject({ code: "unauthenticated" });
      messages.add((error as Error).message);
    }
    expect(messages.size).toBe(1);
    await identity.close();
  });
});

eachStore("the admin key", (fresh) => {
  const proveWith = (identity: Awaited<ReturnType<typeof openIdentity>>, key: string) =>
    identity.authn.prove({ authorization: `Bearer ${key}`, tenant: "default", requestId: "r" }, ["admin"]);

  test("is made and shown once at first start, and stored only as a hash", async () => {
    const identity = await openIdentity(await fresh());
    const key = await identity.operators.installAdminKey(undefined);
    expect(key).toMatch(/^op_[0-9a-f]{64}$/);
    expect(await identity.operators.installAdminKey(undefined)).toBeUndefined();
    expect(JSON.stringify(await identity.db.read.selectFrom("operators").selectAll().execute())).not.toContain(key?.slice(3));
    await expect(proveWith(identity, key ?? "")).resolves.toMatchObject({ caller: { kind: "operator", role: "admin" } });
    await identity.close();
  });

  test("given, it may be any text of 32 to 256 printable characters, also one that looks like a token; a changed one replaces the former", async () => {
    const identity = await openIdentity(await fresh());
    const keys = [
      "correct-horse-battery-staple-correct",
      "looks.like.a-token-of-three-parts-but-is-none",
      "~!@#$%^&*()_+{}|:<>?~!@#$%^&*()_+",
    ];
    for (const [n, key] of keys.entries()) {
      expect(await identity.operators.installAdminKey(key)).toBeUndefined();
      await expect(proveWith(identity, key)).resolves.toMatchObject({ method: "operator_key" });
      const former = keys[n - 1];
      if (former !== undefined) await expect(proveWith(identity, former)).rejects.toMatchObject({ code: "unauthenticated" });
    }
    const { items } = await identity.audit.list("default", { action: "operator.*" }, { limit: 10 });
    expect(items.map(({ action }) => action)).toEqual(["operator.key_replaced", "operator.key_replaced", "operator.created"]);
    await identity.close();
  });
});
