import { beforeEach, expect, test } from "vitest";
import { startTestIssuer } from "../../testing/openid.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { admin, openClients, type OpenClients } from "./clients-for-tests.ts";

const page = { limit: 50 };
const redirectUris = ["https://app.example/cb"];

eachStore("registered apps", (fresh) => {
  let open: OpenClients;
  beforeEach(async () => {
    open = await openClients(await fresh());
    return () => open.close();
  });

  test("a name is taken once in a tenant, and free in another, where the id means nothing", async () => {
    const {
      clients: { apps },
      app,
      tenants,
    } = open;
    await tenants.create(admin, "acme");
    await expect(apps.create(admin, { name: "notes", redirectUris })).rejects.toMatchObject({ code: "client_exists" });
    await apps.create(adminOf("acme"), { name: "notes", redirectUris });
    expect(app.id).toMatch(/^cli_[0-9a-f]{32}$/);
    for (const act of [
      () => apps.get("acme", app.id),
      () => apps.update(adminOf("acme"), app.id, { title: "x" }),
      () => apps.suspend(adminOf("acme"), app.id),
      () => apps.remove(adminOf("acme"), app.id),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: "client_unknown" });
    }
    expect((await apps.list("acme", page)).items).toHaveLength(1);
  });

  test("a name that would be an id, or stand for all apps, is refused", async () => {
    const {
      clients: { apps },
      app,
    } = open;
    for (const name of [app.id, "registered"]) {
      await expect(apps.create(admin, { name, redirectUris })).rejects.toMatchObject({ code: "invalid_request" });
    }
  });

  test("a redirect URI that may not be registered is named, and nothing is written", async () => {
    const {
      clients: { apps },
    } = open;
    const uris = [...redirectUris, "http://app.example/cb"];
    const refusal = { code: "invalid_request", details: { issues: [{ path: "redirectUris.1" }] } };
    await expect(apps.create(admin, { name: "fresh", redirectUris: uris })).rejects.toMatchObject(refusal);
    await expect(apps.get("default", "fresh")).rejects.toMatchObject({ code: "client_unknown" });
    await expect(apps.update(admin, "notes", { redirectUris: uris, title: "x" })).rejects.toMatchObject(refusal);
    expect(await apps.get("default", "notes")).toMatchObject({ title: undefined, version: 1 });
    expect((await apps.create(admin, { name: "twice", redirectUris: [...redirectUris, ...redirectUris] })).redirectUris).toEqual(
      redirectUris,
    );
  });

  test("what is left out of a change stays, null empties, and only what people consented to makes another version", async () => {
    const {
      clients: { apps },
      issuers,
      hand,
    } = open;
    const issuer = await startTestIssuer();
    try {
      await issuers.create(admin, {
        name: "corp",
        discoveryUrl: issuer.url,
        audiences: ["us"],
        login: { clientId: "us", clientAuth: "none" },
      });
      hand.forward(1_000);
      const first = await apps.update(admin, "notes", { scopes: ["write", "read", "read"], issuer: "corp" });
      expect(first).toMatchObject({ scopes: ["read", "write"], version: 1, redirectUris: ["https://notes.example/cb"] });
      expect(first.issuerId).toMatch(/^iss_/);
      expect(first.updatedAt).toBe(first.createdAt + 1_000);
      expect((await apps.update(admin, "notes", { title: "Notes" })).version).toBe(2);
      expect((await apps.update(admin, "notes", { title: "Notes", redirectUris: ["https://notes.example/cb"] })).version).toBe(2);
      expect(await apps.update(admin, "notes", { title: null, scopes: null, issuer: null })).toMatchObject({
        title: undefined,
        scopes: undefined,
        issuerId: undefined,
        version: 3,
      });
      await expect(apps.update(admin, "notes", { issuer: "nobody" })).rejects.toMatchObject({ code: "issuer_unknown" });
      await expect(apps.create(admin, { name: "fresh", redirectUris, issuer: "nobody" })).rejects.toMatchObject({ code: "issuer_unknown" });

      // An issuer at which the users of an app log in stays until the app names another.
      await apps.update(admin, "notes", { issuer: "corp" });
      await expect(issuers.remove(admin, "corp")).rejects.toMatchObject({ code: "issuer_in_use" });
      await apps.remove(admin, "notes");
      await issuers.remove(admin, "corp");
    } finally {
      await issuer.stop();
    }
  });

  test("of many changes at once none undoes another", async () => {
    const {
      clients: { apps },
    } = open;
    const changes = [{ title: "Notes" }, { scopes: ["read"] }, { redirectUris: ["https://notes.example/other"] }];
    await Promise.all(changes.map((change) => apps.update(admin, "notes", change)));
    expect(await apps.get("default", "notes")).toMatchObject(Object.assign({}, ...changes) as object);
  });

  test("each change stands in the record, and is announced", async () => {
    const {
      clients: { apps },
      app,
      audit,
      db,
    } = open;
    const heard: string[] = [];
    db.changes.subscribe((change) => heard.push(change ? `${change.kind} ${change.target}` : "anything"));
    const acts = [
      () => apps.update(admin, "notes", { title: "x" }),
      () => apps.suspend(admin, "notes"),
      () => apps.resume(admin, "notes"),
      () => apps.remove(admin, "notes"),
    ];
    for (const act of acts) {
      heard.length = 0;
      await act();
      expect(heard).toContain(`client ${app.id}`);
    }
    const { items } = await audit.list("default", { action: "client.*" }, page);
    expect(items.map(({ action, target }) => [action, target])).toEqual(
      ["deleted", "resumed", "suspended", "updated", "created"].map((what) => [`client.${what}`, app.id]),
    );
  });
});
