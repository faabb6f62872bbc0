import { afterEach, beforeEach, expect, test } from "vitest";
import type { StoreAddress } from "../../ground/db/index.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { NewProvider, ProviderChange } from "./provider.ts";
import { providersTable } from "./providers-table.ts";
import { asking, type OpenProviders, openProviders, type Scripted, startScripted } from "./providers-for-tests.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");
const page = { limit: 50 };

const apiKey = (name: string, more: object = {}) => ({ type: "api_key", name, apiKey: "canary-key", ...more }) as NewProvider;

eachStore("credential providers", (fresh) => {
  let address: StoreAddress;
  let house: OpenProviders;
  let there: Scripted;
  beforeEach(async () => {
    address = await fresh();
    house = await openProviders(address);
    there = await startScripted(() => ({ body: {} }));
  });
  afterEach(async () => {
    await there.stop();
    await house.close();
  });

  const oauth2 = (name: string, more: object = {}) =>
    ({ type: "oauth2", name, clientId: "client", clientSecret: "canary-secret", ...there.endpoints, ...more }) as NewProvider;
  const invalid = (path: string) => ({ code: "invalid_request", details: { issues: [expect.objectContaining({ path })] } });
  const events = async (tenant: string) => (await house.audit.list(tenant, { action: "provider.*" }, page)).items;

  test("a name is taken once in a vault, and free in another vault and another tenant", async () => {
    const { providers } = house;
    await providers.create(acme, apiKey("weather"));
    await expect(providers.create(acme, apiKey("weather"))).rejects.toMatchObject({
      code: "provider_exists",
      details: { provider: "weather", vault: "default" },
    });
    await expect(providers.create(acme, apiKey("weather", { vault: "other" }))).resolves.toMatchObject({ vault: "other", agents: ["*"] });
    await expect(providers.create(globex, apiKey("weather"))).resolves.toMatchObject({ vault: "default" });
    await expect(providers.create(acme, apiKey(`prv_${"0".repeat(32)}`))).rejects.toMatchObject(invalid("name"));
  });

  test("of two that come at once one is made", async () => {
    const made = await Promise.allSettled([
      house.providers.create(acme, apiKey("weather")),
      house.providers.create(acme, apiKey("weather")),
    ]);
    expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await events("acme")).toHaveLength(1);
  });

  test("a provider is found by name in its vault, and by id wherever it stands, in its own tenant only", async () => {
    const { providers } = house;
    const { id } = await providers.create(acme, apiKey("weather", { vault: "other" }));
    const unknown = { code: "provider_unknown" };
    await expect(providers.get("acme", "other", "weather")).resolves.toMatchObject({ id });
    await expect(providers.get("acme", undefined, id)).resolves.toMatchObject({ id });
    await expect(providers.get("acme", undefined, "weather")).rejects.toMatchObject(unknown);
    await expect(providers.get("acme", "default", id)).rejects.toMatchObject(unknown);
    await expect(providers.get("globex", undefined, id)).rejects.toMatchObject(unknown);
    await expect(providers.byId(house.db.read, "acme", id)).resolves.toMatchObject({ name: "weather" });
    await expect(providers.byId(house.db.read, "globex", id)).resolves.toBeUndefined();
    await expect(providers.update(globex, undefined, id, { apiKey: "x" })).rejects.toMatchObject(unknown);
    await expect(providers.remove(globex, undefined, id)).rejects.toMatchObject(unknown);
  });

  test("a list has one vault's, oldest first, in pages", async () => {
    for (const name of ["c", "a", "b"]) {
      await house.providers.create(acme, apiKey(name));
      house.hand.forward(1);
    }
    await house.providers.create(acme, apiKey("elsewhere", { vault: "other" }));
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const { items, nextCursor } = await house.providers.list("acme", undefined, { limit: 2, cursor });
      names.push(...items.map(({ name }) => name));
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(names).toEqual(["c", "a", "b"]);
    await expect(house.providers.list("acme", "other", page)).resolves.toMatchObject({ items: [{ name: "elsewhere" }] });
    await expect(house.providers.list("globex", undefined, page)).resolves.toEqual({ items: [] });
    await expect(house.providers.list("acme", undefined, { limit: 2, cursor: "?" })).rejects.toMatchObject({ code: "invalid_request" });
  });

  test("secrets are sealed where they stand, open for their own row only, and appear in no audit row", async () => {
    const { providers } = house;
    const key = await providers.create(acme, apiKey("weather"));
    const other = await providers.create(acme, apiKey("other"));
    const client = await providers.create(acme, oauth2("files"));
    const rows = await house.db.read.selectFrom("providers").selectAll().execute();
    expect(rows).toHaveLength(3);
    expect(JSON.stringify(rows)).not.toContain("canary");
    await expect(providers.apiKey("acme", key)).resolves.toBe("canary-key");
    await expect(providers.apiKey("acme", { ...other, sealedSecret: key.sealedSecret })).rejects.toThrow("does not open");
    await expect(providers.apiKey("acme", client)).rejects.toMatchObject({ code: "provider_wrong_type" });
    await providers.update(acme, undefined, "weather", { apiKey: "canary-new" });
    await expect(providers.apiKey("acme", await providers.get("acme", undefined, "weather"))).resolves.toBe("canary-new");
    await providers.remove(acme, undefined, "weather");
    const audited = await events("acme");
    expect(audited.map(({ action, target }) => [action, target])).toEqual(
      expect.arrayContaining([
        ["provider.created", key.id],
        ["provider.updated", key.id],
        ["provider.deleted", key.id],
      ]),
    );
    expect(JSON.stringify(audited)).not.toContain("canary");
    expect(audited.find(({ action }) => action === "provider.updated")?.details).toMatchObject({ fields: ["apiKey"], rebound: false });
  });

  test("agents are named and kept by id; whoever may not use a provider hears that there is none", async () => {
    const { providers, agents } = house;
    const scout = await agents.create(acme, { name: "scout", labels: { team: "red" } });
    const other = await agents.create(acme, { name: "other" });
    const named = await providers.create(acme, apiKey("named", { agents: ["scout"] }));
    expect(named.agents).toEqual([scout.id]);
    await providers.create(acme, apiKey("labelled", { agents: ["label:team=red"] }));
    await providers.create(acme, apiKey("everyone"));
    await providers.create(acme, apiKey("nobody", { agents: [] }));
    await expect(providers.create(acme, apiKey("bad", { agents: ["nobody-known"] }))).rejects.toMatchObject({ code: "agent_unknown" });
    const usable = async (agent: typeof scout, name: string) =>
      providers.usable(asking("acme", agent), undefined, name).then(
        () => "yes",
        (refusal: unknown) =>
          JSON.stringify(
            refusal,
            Object.getOwnPropertyNames(refusal).filter((key) => key !== "stack"),
          ).replaceAll(name, "N"),
      );
    const missing = await usable(scout, "missing");
    expect(missing).toContain("provider_unknown");
    for (const name of ["named", "labelled", "everyone"]) await expect(usable(scout, name)).resolves.toBe("yes");
    for (const name of ["named", "labelled"]) await expect(usable(other, name)).resolves.toBe(missing);
    await expect(usable(scout, "nobody")).resolves.toBe(missing);
    await expect(usable({ ...scout, origin: "self" }, "everyone")).resolves.toBe(missing);
    await expect(providers.usable(asking("globex", scout), undefined, "everyone")).rejects.toMatchObject({ code: "provider_unknown" });
    await expect(providers.usable(asking("acme", scout), "other", "everyone")).rejects.toMatchObject({ code: "provider_unknown" });
    await expect(providers.usable(acme, undefined, "everyone")).rejects.toMatchObject({ code: "provider_unknown" });
  });

  test("whether an agent may use a provider is known after one read", async () => {
    const scout = await house.agents.create(acme, { name: "scout" });
    const { id } = await house.providers.create(acme, apiKey("weather"));
    let reads = 0;
    const counting: Parameters<typeof house.db.read.withPlugin>[0] = {
      transformQuery: ({ node }) => {
        reads += 1;
        return node;
      },
      transformResult: ({ result }) => Promise.resolve(result),
    };
    const counted = house.over({ ...house.db, read: house.db.read.withPlugin(counting) });
    const provider = await counted.usable(asking("acme", scout), undefined, "weather");
    await expect(counted.apiKey("acme", provider)).resolves.toBe("canary-key");
    expect({ id: provider.id, reads }).toEqual({ id, reads: 1 });
  });

  test("a deleted agent's entries go with it, and leave nobody in its place", async () => {
    const { providers, agents, db } = house;
    const scout = await agents.create(acme, { name: "scout" });
    await providers.create(acme, apiKey("named", { agents: ["scout"] }));
    await providers.create(acme, apiKey("both", { agents: ["label:a", "scout"] }));
    await db.write((tx) => providers.agentRemoved(tx, acme, scout.id));
    await expect(providers.get("acme", undefined, "named")).resolves.toMatchObject({ agents: [], version: 2 });
    await expect(providers.get("acme", undefined, "both")).resolves.toMatchObject({ agents: ["label:a"] });
  });

  test("a deleted agent's entries go also where somebody changes the list at the same moment, whose change stays", async () => {
    const { providers, agents, db } = house;
    const [scout, other] = [await agents.create(acme, { name: "scout" }), await agents.create(acme, { name: "other" })];
    const { id } = await providers.create(acme, apiKey("named", { agents: ["scout", "other", "label:a"] }));
    await meeting(
      { db, address },
      {
        lock: (tx) => providersTable.lock(tx, "acme", id),
        write: (tx, current) =>
          providersTable.update(tx, "acme", { ...current, agents: [scout.id, other.id], version: current.version + 1 }),
      },
      () => db.write((tx) => providers.agentRemoved(tx, acme, scout.id)),
    );
    await expect(providers.get("acme", undefined, "named")).resolves.toMatchObject({ agents: [other.id], version: 3 });
  });

  test("what an OAuth client cannot do without is named", async () => {
    const none = { authorizationEndpoint: undefined, tokenEndpoint: undefined };
    const create = (more: object) => house.providers.create(acme, oauth2("files", more));
    await expect(create(none)).rejects.toMatchObject(invalid("tokenEndpoint"));
    await expect(create({ authorizationEndpoint: undefined })).rejects.toMatchObject(invalid("authorizationEndpoint"));
    await expect(create({ tokenEndpoint: undefined })).rejects.toMatchObject(invalid("tokenEndpoint"));
    await expect(create({ kind: "oidc" })).rejects.toMatchObject(invalid("discoveryUrl"));
    await expect(create({ discoveryUrl: `${there.url}/?a=b` })).rejects.toMatchObject(invalid("discoveryUrl"));
    await expect(create({ clientSecret: undefined })).rejects.toMatchObject(invalid("clientSecret"));
    expect(await events("acme")).toEqual([]);
    await expect(create({ authorizationEndpoint: undefined, flows: ["M2M"] })).resolves.toMatchObject({ flows: ["M2M"] });
    for (const clientAuth of ["none", "private_key_jwt"])
      await expect(house.providers.create(acme, oauth2(clientAuth, { clientSecret: undefined, clientAuth }))).resolves.toMatchObject({
        clientAuth,
      });
    for (const kind of ["github", "google", "microsoft", "slack", "atlassian", "notion"])
      await expect(house.providers.create(acme, oauth2(kind, { ...none, kind }))).resolves.toMatchObject({ kind, warnings: [] });
  });

  test("an address that may not be reached is refused; one that does not answer is a warning", async () => {
    const create = (more: object) => house.providers.create(acme, oauth2("files", more));
    for (const url of ["http://192.0.2.1/token", "https://10.0.0.1/token", "http://[fd00::1]/token"]) {
      await expect(create({ tokenEndpoint: url })).rejects.toMatchObject(invalid("tokenEndpoint"));
      await expect(create({ authorizationEndpoint: url })).rejects.toMatchObject(invalid("authorizationEndpoint"));
      await expect(create({ discoveryUrl: url })).rejects.toMatchObject(invalid("discoveryUrl"));
    }
    const { warnings } = await create({ discoveryUrl: "http://127.0.0.1:1", tokenEndpoint: "http://127.0.0.1:1/token" });
    expect(warnings).toEqual([
      expect.stringContaining("discovery URL cannot be used"),
      expect.stringContaining("token endpoint does not answer"),
    ]);
  });

  test("metadata is looked at when a provider is written: its issuer, its addresses, PKCE and client authentication", async () => {
    const document = { issuer: "https://another.example.test", code_challenge_methods_supported: ["plain"] };
    there.answer(() => ({ body: document }));
    const written = (name: string, more: object = {}) =>
      house.providers.create(
        acme,
        oauth2(name, { discoveryUrl: there.url, authorizationEndpoint: undefined, tokenEndpoint: undefined, ...more }),
      );
    expect((await written("a")).warnings).toEqual([expect.stringContaining("speaks for another issuer")]);
    document.issuer = there.url;
    expect((await written("b", { clientAuth: "client_secret_post" })).warnings).toEqual([
      "The metadata names no token endpoint.",
      "The metadata names no authorization endpoint.",
      "The metadata does not offer PKCE with S256.",
      "The metadata does not offer client_secret_post.",
    ]);
    expect((await written("c", { flows: ["M2M"] })).warnings).toEqual(["The metadata names no token endpoint."]);
    there.answer(() => ({ body: { issuer: there.url, authorization_endpoint: `${there.url}/a`, token_endpoint: `${there.url}/t` } }));
    await expect(house.providers.update(acme, undefined, "b", { clientAuth: null })).resolves.toMatchObject({ warnings: [] });
  });

  test("a field of the other type cannot be changed, and an empty change changes nothing but the version", async () => {
    const { providers } = house;
    const key = await providers.create(acme, apiKey("weather"));
    await providers.create(acme, oauth2("files"));
    const wrong = (field: string) => ({ code: "provider_wrong_type", details: { field } });
    for (const change of [{ clientId: "x" }, { scopes: [] }, { clientSecret: null }, { flows: null }] satisfies ProviderChange[])
      await expect(providers.update(acme, undefined, "weather", change)).rejects.toMatchObject(wrong(Object.keys(change)[0] ?? ""));
    await expect(providers.update(acme, undefined, "files", { apiKey: "x" })).rejects.toMatchObject(wrong("apiKey"));
    const same = await providers.update(acme, undefined, "weather", {});
    expect(same).toEqual({ ...key, version: 2, updatedAt: same.updatedAt });
  });

  test("scopes are kept as given, and as a key sorted without repeats", async () => {
    const made = await house.providers.create(acme, oauth2("files", { scopes: ["write", "read", "write"] }));
    expect(made).toMatchObject({ scopes: ["write", "read", "write"], scopesKey: '["read","write"]' });
    const changed = await house.providers.update(acme, undefined, "files", { scopes: ["z"], flows: ["M2M"] });
    expect(changed).toMatchObject({ scopes: ["z"], scopesKey: '["z"]', flows: ["M2M"], clientId: "client" });
    await expect(house.providers.update(acme, undefined, "files", { flows: null })).resolves.toMatchObject({
      flows: undefined,
      version: 3,
    });
  });

  test("another server or client is a new binding: what was had is dropped, and the secret must come along", async () => {
    const { providers, rebound } = house;
    const { id } = await providers.create(acme, oauth2("files", { issuer: "https://id.example.test" }));
    await providers.update(acme, undefined, id, {
      scopes: ["read"],
      clientSecret: "canary-next",
      agents: ["*"],
      clientAuth: "client_secret_basic",
    });
    expect(rebound).toEqual([]);
    const elsewhere = `${there.url}/elsewhere`;
    for (const change of [
      { tokenEndpoint: elsewhere },
      { issuer: elsewhere },
      { clientId: "another" },
      { discoveryUrl: there.url },
    ] as ProviderChange[]) {
      await expect(providers.update(acme, undefined, id, change), JSON.stringify(change)).rejects.toMatchObject(invalid("clientSecret"));
      expect(rebound).toEqual([]);
      await providers.update(acme, undefined, id, { ...change, clientSecret: "canary-moved" });
      expect(rebound.splice(0)).toEqual([id]);
    }
    // Where the browser is sent learns no secret, but its codes come from there.
    await providers.update(acme, undefined, id, { authorizationEndpoint: elsewhere });
    expect(rebound.splice(0)).toEqual([id]);
    await expect(providers.update(acme, undefined, id, { clientSecret: null })).rejects.toMatchObject(invalid("clientSecret"));
    await expect(providers.update(acme, undefined, id, { clientSecret: null, clientAuth: "none" })).resolves.toMatchObject({
      sealedSecret: undefined,
    });
    await expect(providers.get("acme", undefined, id)).resolves.toMatchObject({ discoveryUrl: there.url, tokenEndpoint: elsewhere });
  });

  test("another kind that brings other addresses is another server", async () => {
    const { providers, rebound } = house;
    const bare = { authorizationEndpoint: undefined, tokenEndpoint: undefined };
    const { id } = await providers.create(acme, oauth2("files", { kind: "aliyun", ...bare }));
    await expect(providers.update(acme, undefined, id, { kind: "feishu" })).rejects.toMatchObject(invalid("clientSecret"));
    expect(rebound).toEqual([]);
    const changed = await providers.update(acme, undefined, id, { kind: "feishu", clientSecret: "canary-new" });
    expect(changed.kind).toBe("feishu");
    expect(rebound).toEqual([id]);
    await providers.update(acme, undefined, id, { kind: "github", clientSecret: "canary-new", ...there.endpoints });
    await providers.update(acme, undefined, id, { kind: "oauth2" });
    expect(rebound).toEqual([id, id]);
  });

  test("the addresses that the kind brings are the same ones when they are written out", async () => {
    const { providers, rebound } = house;
    const bare = { authorizationEndpoint: undefined, tokenEndpoint: undefined };
    const { id, sealedSecret } = await providers.create(acme, oauth2("files", { kind: "github", ...bare }));
    const written = await providers.update(acme, undefined, id, {
      authorizationEndpoint: "https://github.com/login/oauth/authorize",
      tokenEndpoint: "https://github.com/login/oauth/access_token",
    });
    expect(written.sealedSecret).toBe(sealedSecret);
    expect(rebound).toEqual([]);
    const elsewhere = { ...there.endpoints, clientSecret: "canary-new" };
    await providers.update(acme, undefined, id, elsewhere);
    expect(rebound).toEqual([id]);
  });

  test("another redirect URI, or PKCE where there was none, ends the consents under way and drops nothing", async () => {
    const { providers, rebound, consentChanged } = house;
    const { id } = await providers.create(acme, oauth2("files"));
    const own = providers.callbackUrl("acme", id);
    const changes: readonly (readonly [ProviderChange, boolean])[] = [
      [{ redirectUri: own }, false],
      [{ redirectUri: "https://app.example.test/cb" }, true],
      [{ redirectUri: "https://app.example.test/cb", description: "d" }, false],
      [{ redirectUri: null }, true],
      [{ pkce: true }, false],
      [{ pkce: false }, true],
      [{ pkce: null }, true],
    ];
    for (const [change, ends] of changes) {
      await providers.update(acme, undefined, id, change);
      expect(consentChanged.splice(0), JSON.stringify(change)).toEqual(ends ? [id] : []);
    }
    expect(rebound).toEqual([]);
  });

  test("the record says to what a provider was changed wherever people, codes and secrets go by it, and never a secret", async () => {
    const { providers } = house;
    const { id } = await providers.create(acme, oauth2("files"));
    await providers.update(acme, undefined, id, {
      ...there.endpoints,
      redirectUri: "https://app.example.test/cb",
      pkce: false,
      kind: "github",
      clientId: "other",
      clientSecret: "canary-new",
      description: "d",
    });
    await providers.update(acme, undefined, id, { redirectUri: null, pkce: null, description: "e" });
    await providers.update(acme, undefined, id, { tokenEndpoint: `${there.url}/elsewhere`, clientSecret: "canary-newer" });
    const audited = (await events("acme")).filter(({ action }) => action === "provider.updated");
    expect(audited.map(({ details }) => details["values"]).reverse()).toEqual([
      { redirectUri: "https://app.example.test/cb", pkce: false, kind: "github", clientId: "other" },
      { redirectUri: null, pkce: null },
      { tokenEndpoint: `${there.url}/elsewhere` },
    ]);
    expect(JSON.stringify(audited)).not.toContain("canary");
  });

  test("what only a foreign wire says stays with its wire; a description and a redirect URI are emptied by null", async () => {
    const { providers } = house;
    const { id } = await providers.create(
      acme,
      oauth2("files", { description: "d", redirectUri: "https://app.example.test/", foreign: { alibaba: { OAuthType: "X" } } }),
    );
    await providers.update(acme, undefined, id, { foreign: { other: { a: 1 } } });
    await expect(providers.get("acme", undefined, id)).resolves.toMatchObject({
      description: "d",
      redirectUri: "https://app.example.test/",
      foreign: { alibaba: { OAuthType: "X" }, other: { a: 1 } },
    });
    await providers.update(acme, undefined, id, { description: null, redirectUri: null });
    await expect(providers.get("acme", undefined, id)).resolves.toMatchObject({ description: undefined, redirectUri: undefined });
    await providers.create(acme, apiKey("weather"));
    await expect(providers.update(acme, undefined, "weather", { description: "x" })).resolves.toMatchObject({ description: "x" });
    await expect(providers.update(acme, undefined, "weather", { pkce: true })).rejects.toMatchObject({ code: "provider_wrong_type" });
  });

  test("changes that come at once are all made, one after another", async () => {
    await house.providers.create(acme, apiKey("weather"));
    const changes = Array.from({ length: 3 }, (_, at) => house.providers.update(acme, undefined, "weather", { agents: [`label:n${at}`] }));
    await Promise.all(changes);
    await expect(house.providers.get("acme", undefined, "weather")).resolves.toMatchObject({ version: 4 });
    expect((await events("acme")).filter(({ action }) => action === "provider.updated")).toHaveLength(3);
  });

  test("a provider that goes takes along what was had from it, or stays where that fails", async () => {
    const { id } = await house.providers.create(acme, apiKey("weather"));
    await house.providers.remove(acme, undefined, "weather");
    expect(house.removed).toEqual([id]);
    await expect(house.providers.get("acme", undefined, id)).rejects.toMatchObject({ code: "provider_unknown" });
    const failing = await openProviders(await fresh(), { onRemoved: () => Promise.reject(new Error("cannot erase")) });
    await failing.providers.create(acme, apiKey("weather"));
    await expect(failing.providers.remove(acme, undefined, "weather")).rejects.toThrow("cannot erase");
    await expect(failing.providers.get("acme", undefined, "weather")).resolves.toMatchObject({ name: "weather" });
    await failing.close();
  });
});
