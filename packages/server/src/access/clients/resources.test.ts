import { beforeEach, describe, expect, test } from "vitest";
import type { StoreAddress } from "../../ground/db/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { meeting } from "../../testing/lock-waits.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { Client } from "./client.ts";
import { admin, openClients, type OpenClients } from "./clients-for-tests.ts";
import { resourcesTable } from "./resources-table.ts";
import type { NewResource } from "./resources.ts";
import type { Bounds } from "./target.ts";

const page = { limit: 50 };
const mail = "https://mail.example/api";
const files = "https://files.example/";
/** What our own doors are named as, below an issuer. */
const ownAudiences = ["", "/vault", "/coze", "/agentauth", "/oauth2/userinfo"];

eachStore("resources", (fresh) => {
  let open: OpenClients;
  let scout: Client;
  let notes: Client;
  let address: StoreAddress;
  beforeEach(async () => {
    address = await fresh();
    open = await openClients(address);
    scout = await clientOf(open.agent.id);
    notes = await clientOf(open.app.id);
    return () => open.close();
  });
  const clientOf = async (id: string, tenant = "default"): Promise<Client> => {
    const client = await open.clients.find(tenant, id);
    if (!client) throw new Error(`There is no client ${id}.`);
    return client;
  };
  const create = (wanted: Partial<NewResource> = {}, who = admin) =>
    open.clients.resources.create(who, { name: "mail", identifier: mail, scopes: [{ name: "read" }, { name: "send" }], ...wanted });
  const target = (client: Client, targets: readonly string[], scopes?: readonly string[], bounds?: Bounds) =>
    open.clients.resources.target(client, targets, scopes, bounds);
  const noTarget = (reason: string) => ({ code: "target_invalid", details: { reason } });
  const noScope = (scope: string) => ({ code: "scope_invalid", details: { scope } });

  describe("are registered", () => {
    test("by name and identifier, each once in a tenant", async () => {
      const { tenants } = open;
      await tenants.create(admin, "acme");
      await create();
      for (const again of [{ identifier: files }, { name: "other" }, {}])
        await expect(create(again)).rejects.toMatchObject({ code: "resource_exists" });
      await create({}, adminOf("acme"));
      await create({ name: "files", identifier: files });
      await expect(open.clients.resources.update(admin, "files", { name: "mail" })).rejects.toMatchObject({ code: "resource_exists" });
      await expect(open.clients.resources.get("default", "nothing")).rejects.toMatchObject({ code: "resource_unknown" });
    });

    test("never at our own address, in whichever tenant's name and however it is written", async () => {
      const own = ["", "/t/acme", "/t/nobody"].flatMap((issuer) =>
        [...ownAudiences, "/mcp/x", "/anything?x"].map((path) => `${testPublicUrl}${issuer}${path}`),
      );
      const spelt = [
        "HTTP://127.0.0.1:8700/vault",
        "http://127.0.0.1:8700",
        "http://127.1:8700/vault",
        "http://0x7f.0.0.1:8700/vault",
        "http://127.0.0.1:08700/vault",
        "http://user@127.0.0.1:8700/vault",
        "http://127.0.0.1:8700/x/../vault",
      ];
      for (const identifier of [...own, ...spelt]) {
        await expect(create({ identifier }), identifier).rejects.toMatchObject({
          code: "invalid_request",
          details: { issues: [{ path: "identifier" }] },
        });
      }
      // Elsewhere, also where it begins alike.
      for (const [at, identifier] of ["https://127.0.0.1:8700/vault", "http://127.0.0.1:8701/"].entries()) {
        await create({ name: `other-${at}`, identifier });
      }
    });

    test.each([
      "",
      "mail",
      "/mail",
      "//mail.example",
      "https://mail.example/#x",
      "https://mail.example/#",
      "https:",
      "https:///x",
      "https://a b/",
      "https://b\u00fccher.example/",
      "https://mail.example/\n",
      "https://a:b@mail.example/",
      "1x:y",
    ])("not as %j", async (identifier) => {
      await expect(create({ identifier })).rejects.toMatchObject({ code: "invalid_request" });
    });

    test.each([
      "https://mail.example",
      "urn:example:mail",
      "mail:",
      "api://0b1c",
      "https://mail.example:8443/a?b=c",
      "spiffe://example/mail",
    ])("as %j", async (identifier) => {
      if (identifier === "mail:") await expect(create({ identifier })).rejects.toMatchObject({ code: "invalid_request" });
      else expect((await create({ identifier })).identifier).toBe(identifier);
    });

    test("with scopes of their own, none twice and none of OpenID Connect", async () => {
      for (const names of [["openid"], ["profile"], ["email"], ["offline_access"], ["address"], ["read", "read"]]) {
        await expect(create({ scopes: names.map((name) => ({ name })) })).rejects.toMatchObject({ code: "invalid_request" });
      }
    });

    test("their agents and apps are kept by id, go when they are deleted, and one that is not there is refused", async () => {
      const { agents, clients } = open;
      for (const wanted of [{ agents: ["nobody"] }, { servers: ["nobody"] }, { scopes: [{ name: "read", agents: ["nobody"] }] }]) {
        await expect(create(wanted)).rejects.toMatchObject({ code: "agent_unknown" });
      }
      await expect(create({ clients: ["nobody"] })).rejects.toMatchObject({ code: "client_unknown" });
      const made = await create({
        agents: ["scout", "label:team"],
        servers: ["scout"],
        clients: ["notes", "https://app.example/client", "registered"],
        scopes: [{ name: "read", agents: ["scout"] }],
      });
      expect(made).toMatchObject({
        agents: [scout.id, "label:team"],
        servers: [scout.id],
        clients: [notes.id, "https://app.example/client", "registered"],
        scopes: [{ name: "read", agents: [scout.id] }],
      });
      await agents.update(admin, "scout", { name: "renamed" });
      expect(await target(scout, [mail])).toEqual({ audience: mail, scopes: ["read"] });
      await agents.remove(admin, "renamed");
      await clients.apps.remove(admin, "notes");
      expect(await clients.resources.get("default", "mail")).toMatchObject({
        agents: ["label:team"],
        servers: [],
        clients: ["https://app.example/client", "registered"],
        scopes: [{ name: "read", agents: [] }],
      });
    });

    test("changed, suspended or deleted they are so at the next request; each change stands in the record", async () => {
      const {
        clients: { resources },
        audit,
      } = open;
      const { id } = await create();
      expect(await target(scout, [mail])).toEqual({ audience: mail, scopes: ["read", "send"] });
      expect(await target(scout, [])).toEqual({ audience: mail, scopes: ["read", "send"] });
      await resources.update(admin, "mail", { scopes: [{ name: "read" }] });
      expect(await target(scout, [mail])).toEqual({ audience: mail, scopes: ["read"] });
      expect(await target(scout, [])).toEqual({ audience: mail, scopes: ["read"] });
      await resources.update(admin, id, { agents: [] });
      await expect(target(scout, [mail])).rejects.toMatchObject(noTarget("unknown"));
      await expect(target(scout, [])).rejects.toMatchObject(noTarget("none"));
      await resources.update(admin, "mail", { agents: ["*"] });
      await create({ name: "files", identifier: files, scopes: [{ name: "list" }] });
      await expect(target(scout, [])).rejects.toMatchObject(noTarget("ambiguous"));
      await resources.remove(admin, "mail");
      await expect(target(scout, [mail])).rejects.toMatchObject(noTarget("unknown"));
      expect(await target(scout, [])).toEqual({ audience: files, scopes: ["list"] });
      const { items } = await audit.list("default", { action: "resource.*" }, page);
      expect(items.map(({ action, target: of }) => [action, of === id])).toEqual([
        ["resource.deleted", true],
        ["resource.created", false],
        ["resource.updated", true],
        ["resource.updated", true],
        ["resource.updated", true],
        ["resource.created", true],
      ]);
    });
  });

  test("who is deleted takes nothing along but their own entries: what is narrowed at the same moment stays narrow", async () => {
    const {
      clients: { resources, apps },
      agents,
      db,
    } = open;
    const { id } = await create({
      agents: ["scout"],
      clients: ["*", "notes"],
      scopes: [{ name: "read" }, { name: "send", agents: ["scout"] }],
    });
    const removals = [() => agents.remove(admin, "scout"), () => apps.remove(admin, "notes")];
    for (const remove of removals) {
      await meeting(
        { db, address },
        {
          lock: (tx) => resourcesTable.lock(tx, "default", id),
          write: async (tx, current) => {
            const clients = current.clients.filter((entry) => entry !== "*");
            await resourcesTable.update(tx, "default", { ...current, clients, scopes: current.scopes.slice(0, -1) });
            await db.changes.announce(tx, "default", "resource", "default");
          },
        },
        remove,
      );
    }
    expect(await resources.get("default", id)).toMatchObject({ agents: [], clients: [], scopes: [] });
  });

  describe("decide for whom a token may be", () => {
    test("an agent that may use it; the scopes kept for others are not its own", async () => {
      const { agents } = open;
      await agents.create(admin, { name: "clerk", labels: { team: "office" } });
      const clerk = await clientOf((await agents.get("default", "clerk")).id);
      await create({ agents: ["label:team=office", "scout"], scopes: [{ name: "read" }, { name: "send", agents: ["label:team"] }] });
      expect(await target(clerk, [mail])).toEqual({ audience: mail, scopes: ["read", "send"] });
      expect(await target(scout, [mail])).toEqual({ audience: mail, scopes: ["read"] });
      await expect(target(scout, [mail], ["send"])).rejects.toMatchObject(noScope("send"));
      await expect(target(scout, [mail], ["read", "delete"])).rejects.toMatchObject(noScope("delete"));
      expect(await open.clients.resources.ceilingOf("default", clerk.agent as never, mail)).toEqual(["read", "send"]);
      await agents.update(admin, "clerk", { labels: {} });
      await expect(target(await clientOf(clerk.id), [mail])).rejects.toMatchObject(noTarget("unknown"));
      expect(await open.clients.resources.ceilingOf("default", (await clientOf(clerk.id)).agent as never, mail)).toBeUndefined();
    });

    test("an app only where apps are named, and never with what is kept for agents", async () => {
      const {
        clients: { resources, apps },
      } = open;
      const stranger: Client = { ...notes, id: "https://app.example/client", kind: "document" };
      await create({ scopes: [{ name: "read" }, { name: "send", agents: ["*"] }] });
      const may = async () =>
        Promise.all(
          [notes, stranger].map((client) =>
            target(client, [mail], undefined).then(
              ({ scopes }) => scopes.join(" "),
              () => "no",
            ),
          ),
        );
      expect(await may()).toEqual(["no", "no"]);
      for (const [entries, expected] of [
        [["registered"], ["read", "no"]],
        [["notes"], ["read", "no"]],
        [[stranger.id], ["no", "read"]],
        [["*"], ["read", "read"]],
        [[], ["no", "no"]],
      ] as const) {
        await resources.update(admin, "mail", { clients: [...entries] });
        expect(await may(), entries.join(" ")).toEqual(expected);
      }
      await resources.update(admin, "mail", { clients: ["*"] });
      await expect(target(notes, [mail], ["send"])).rejects.toMatchObject(noScope("send"));
      await apps.update(admin, "notes", { scopes: ["openid"] });
      const bounded = await clientOf(notes.id);
      await expect(target(bounded, [mail], ["read"])).rejects.toMatchObject(noScope("read"));
      expect(await target(bounded, [mail], ["openid"])).toEqual({ audience: mail, scopes: ["openid"] });
      await expect(target(bounded, [mail], ["email"])).rejects.toMatchObject(noScope("email"));
      // What nobody is told is passed over beside what means something, for an agent alone too.
      expect(await target(bounded, [mail], ["email", "openid", "profile"])).toEqual({ audience: mail, scopes: ["openid"] });
      expect(await target(scout, [mail], ["email", "read"])).toEqual({ audience: mail, scopes: ["read"] });
    });

    test("one resource at a time, one that is known, and none of ours", async () => {
      await create();
      await create({ name: "files", identifier: files });
      await expect(target(scout, [mail, files])).rejects.toMatchObject(noTarget("several"));
      expect((await target(scout, [mail, mail], ["read"])).audience).toBe(mail);
      for (const near of [
        "mail",
        `${mail}/`,
        mail.toUpperCase(),
        `${mail}#x`,
        `${mail}?`,
        " ",
        "",
        "\0",
        "\ud800",
        "https://nowhere.example/",
      ]) {
        await expect(target(scout, [near]), near).rejects.toMatchObject(noTarget("unknown"));
      }
      for (const path of ownAudiences) {
        for (const issuer of [testPublicUrl, `${testPublicUrl}/t/acme`]) {
          await expect(target(notes, [`${issuer}${path}`], ["openid"])).rejects.toMatchObject(noTarget("unknown"));
          await expect(target(scout, [`${issuer}${path}`])).rejects.toMatchObject(noTarget("unknown"));
        }
      }
    });

    test("another tenant's resource is unknown", async () => {
      await open.tenants.create(admin, "acme");
      await create({ clients: ["*"] }, adminOf("acme"));
      for (const client of [scout, notes]) await expect(target(client, [mail])).rejects.toMatchObject(noTarget("unknown"));
      expect(await open.clients.resources.isServer("default", scout.agent as never, mail)).toBe(false);
    });
  });

  describe("are found where none is named", () => {
    test("by the scopes, where one alone has them all", async () => {
      await create({ clients: ["*"] });
      await create({ name: "files", identifier: files, clients: ["*"], scopes: [{ name: "read" }, { name: "list" }] });
      for (const client of [scout, notes]) {
        expect(await target(client, [], ["send"])).toEqual({ audience: mail, scopes: ["send"] });
        expect(await target(client, [], ["list", "read"])).toEqual({ audience: files, scopes: ["list", "read"] });
        await expect(target(client, [], ["read"])).rejects.toMatchObject(noTarget("ambiguous"));
        await expect(target(client, [], ["send", "list"])).rejects.toMatchObject(noTarget("apart"));
        await expect(target(client, [], ["send", "fly"])).rejects.toMatchObject(noScope("fly"));
        await expect(target(client, [])).rejects.toMatchObject(noTarget("ambiguous"));
      }
      expect(await target(notes, [], ["openid", "send"])).toEqual({ audience: mail, scopes: ["openid", "send"] });
    });

    test("what only tells who logged in is for userinfo, and only where a person is", async () => {
      const userinfo = `${testPublicUrl}/oauth2/userinfo`;
      expect(open.clients.resources.userinfo("default")).toBe(userinfo);
      expect(open.clients.resources.userinfo("acme")).toBe(`${testPublicUrl}/t/acme/oauth2/userinfo`);
      expect(await target(notes, [], ["openid", "offline_access"])).toEqual({ audience: userinfo, scopes: ["offline_access", "openid"] });
      expect(await target(scout, [], ["openid"], { person: true })).toEqual({ audience: userinfo, scopes: ["openid"] });
      await expect(target(scout, [], ["openid"])).rejects.toMatchObject({ code: "target_invalid" });
      await create();
      await expect(target(scout, [], ["openid"])).rejects.toMatchObject(noScope("openid"));
      await expect(target(scout, [mail], ["openid", "read"])).rejects.toMatchObject(noScope("openid"));
      expect(await target(scout, [mail], ["openid", "read"], { person: true })).toEqual({ audience: mail, scopes: ["openid", "read"] });
      // Nobody gets a person's own data who did not ask for it.
      expect((await target(scout, [mail], undefined, { person: true })).scopes).toEqual(["read", "send"]);
    });

    test("of a client that no resource lets in, nobody is told who logged in, however many resources there are", async () => {
      const userinfo = `${testPublicUrl}/oauth2/userinfo`;
      const stranger: Client = { ...notes, id: "https://app.example/client", kind: "document" };
      const personal = ["openid", "offline_access"];
      const bounds = { ceiling: personal, audiences: [userinfo], person: true };
      const may = async (client = stranger) => {
        const asks = [target(client, [], personal), target(client, [], undefined, bounds), target(client, [], ["openid"], bounds)];
        const said = (await Promise.allSettled(asks)).map((each) =>
          each.status === "fulfilled" ? each.value.audience : (each.reason as { details: { reason: string } }).details.reason,
        );
        return [...new Set(said)].join(" ");
      };
      await open.tenants.create(admin, "acme");
      await create({ clients: ["*"] }, adminOf("acme"));
      expect(await may()).toBe("none");
      await create({ clients: ["registered", "notes"] });
      const { resources } = open.clients;
      for (const [clients, expected] of [
        [[], "none"],
        [["registered"], "none"],
        [["https://app.example/Client", "https://app.example/client/", "https://app.example/", "https://other.example/client"], "none"],
        [["*"], userinfo],
        [["https://other.example/", stranger.id], userinfo],
        [[], "none"],
      ] as const) {
        await resources.update(admin, "mail", { clients: [...clients] });
        expect(await may(), clients.join(" ")).toBe(expected);
        // Those that an operator registered need no resource for it.
        expect(await may(notes)).toBe(userinfo);
      }
      await open.db.write(async (tx) => {
        const lists = { agents: "[]", servers: "[]", scopes: "[]", created_at: 0, updated_at: 0 };
        for (let at = 0; at < 250; at += 1) {
          const row = { tenant_id: "default", id: `res_${at}`, identifier: `https://r${at}.example/`, name: `r${at}`, ...lists };
          await tx
            .insertInto("resources")
            .values({ ...row, clients: JSON.stringify(at === 249 ? ["https://last.example/client"] : []) })
            .execute();
        }
        await open.db.changes.announce(tx, "default", "resource", "default");
      });
      expect(await may()).toBe("none");
      expect(await may({ ...stranger, id: "https://last.example/client" })).toBe(userinfo);
      await resources.remove(admin, "r249");
      expect(await may({ ...stranger, id: "https://last.example/client" })).toBe("none");
    });

    test("but not among more than can be searched", async () => {
      const {
        clients: { resources },
        db,
        clock,
      } = { ...open, clock: open.hand.clock };
      await create();
      await db.write(async (tx) => {
        for (let at = 0; at < 200; at += 1) {
          await tx
            .insertInto("resources")
            .values({
              tenant_id: "default",
              id: `res_${at}`,
              identifier: `https://r${at}.example/`,
              name: `r${at}`,
              agents: "[]",
              clients: "[]",
              servers: "[]",
              scopes: "[]",
              created_at: clock(),
              updated_at: clock(),
            })
            .execute();
        }
        await db.changes.announce(tx, "default", "resource", "default");
      });
      await expect(target(scout, [], ["read"])).rejects.toMatchObject(noTarget("ambiguous"));
      expect(await target(scout, [mail], ["read"])).toEqual({ audience: mail, scopes: ["read"] });
      await resources.remove(admin, "r7");
      expect(await target(scout, [], ["read"])).toEqual({ audience: mail, scopes: ["read"] });
    });
  });

  test("what comes out lies within what came in: its scopes, its audiences, whatever is asked", async () => {
    const userinfo = `${testPublicUrl}/oauth2/userinfo`;
    await create({ clients: ["*"] });
    await create({ name: "files", identifier: files, clients: ["*"], scopes: [{ name: "read" }, { name: "list" }] });
    const bounds = { ceiling: ["openid", "read"], audiences: [mail], person: true };
    expect(await target(notes, [], undefined, bounds)).toEqual({ audience: mail, scopes: ["openid", "read"] });
    expect(await target(notes, [mail], ["read"], bounds)).toEqual({ audience: mail, scopes: ["read"] });
    expect(await target(notes, [], ["openid"], bounds)).toEqual({ audience: mail, scopes: ["openid"] });
    await expect(target(notes, [mail], ["send"], bounds)).rejects.toMatchObject(noScope("send"));
    await expect(target(notes, [files], ["read"], bounds)).rejects.toMatchObject(noTarget("outside"));
    await expect(target(notes, [userinfo], ["openid"], bounds)).rejects.toMatchObject(noTarget("outside"));
    // What was granted and may no longer be had there is left out.
    expect(await target(notes, [], undefined, { ...bounds, ceiling: ["list", "read"] })).toEqual({ audience: mail, scopes: ["read"] });
    const person = { ceiling: ["openid", "offline_access"], audiences: [userinfo], person: true };
    expect(await target(notes, [], undefined, person)).toEqual({ audience: userinfo, scopes: ["offline_access", "openid"] });
    expect(await target(notes, [], ["openid"], person)).toEqual({ audience: userinfo, scopes: ["openid"] });
    await expect(target(notes, [], ["email"], person)).rejects.toMatchObject(noScope("email"));
    await expect(target(notes, [], ["read"], person)).rejects.toMatchObject({ code: "scope_invalid" });
  });

  test("who is a resource is told from who may use it", async () => {
    const {
      clients: { resources },
      agents,
    } = open;
    const clerk: Agent = await agents.create(admin, { name: "clerk", labels: { serves: "mail" } });
    await create({ agents: ["scout"], servers: ["label:serves=mail"] });
    expect(await resources.isServer("default", clerk, mail)).toBe(true);
    expect(await resources.isServer("default", scout.agent as never, mail)).toBe(false);
    expect(await resources.isServer("default", clerk, files)).toBe(false);
    await expect(target(await clientOf(clerk.id), [mail])).rejects.toMatchObject(noTarget("unknown"));
  });
});
