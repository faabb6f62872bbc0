import { type Operation, operations } from "@legate/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samples } from "../../packages/server/src/front/native/bad-input-samples-for-tests.ts";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { claimsOf, headerOf, type ManyTenants, openManyTenants } from "./many-tenants.ts";
import { everythingOf, furnish, gravity, type World } from "./world.ts";

const all: readonly Operation[] = Object.values(operations);
const ofInstallation = (op: Operation) => op.rights.every((right) => right === "installation-admin");

/** The parts of a path before each of its parameters: `agents` and `keys` for `/v1/agents/{name}/keys/{id}`. */
const nounsOf = (op: Operation) => [...op.path.matchAll(/([\w-]+)\/\{(\w+)\}/g)].map(([, noun = "", param = ""]) => ({ noun, param }));

const pathWith = (op: Operation, values: Readonly<Record<string, string>>) =>
  op.path.replaceAll(/\{(\w+)\}/g, (_, param: string) => values[param] ?? "");

const bodyOf = (op: Operation) =>
  op.method === "GET" || op.method === "DELETE" ? undefined : (samples[op.id as keyof typeof samples].body ?? {});

const keyFor = (op: Operation, { key, token }: World) => (op.rights.includes("admin") || ofInstallation(op) ? key : token);

eachStore("two tenants with the same names of everything", (fresh) => {
  let many: ManyTenants;
  let issuer: TestIssuer;
  let acme: World;
  let globex: World;

  beforeAll(async () => {
    many = await openManyTenants(await fresh());
    issuer = await many.startIssuer();
    acme = await furnish(many, "acme", issuer);
    globex = await furnish(many, "globex", issuer);
  });
  afterAll(() => many.close());

  /** What of a tenant may stand in no other's answer. */
  const marksOf = ({ tenant, ids, marker, key, apiKey, token, begun }: World): readonly string[] => [
    ...Object.entries(ids).flatMap(([noun, id]) => (noun === "tenants" ? [] : [id])),
    marker,
    key,
    apiKey,
    token.split(".")[2] ?? "",
    begun.authorizationUrl,
    `secret-of-${tenant}`,
  ];

  test("an id of one names nothing to the other, in whatever operation, and what it names stays as it is", async () => {
    const tried: string[] = [];
    for (const [own, other] of [
      [acme, globex],
      [globex, acme],
    ] as const) {
      const before = await everythingOf(many, other.tenant);
      for (const op of all) {
        const nouns = nounsOf(op);
        for (const swapped of nouns) {
          // Who puts a thing names what is made, in the own tenant.
          if (op.method === "PUT" && swapped === nouns.at(-1)) continue;
          const values = Object.fromEntries(
            nouns.map(({ noun, param }) => {
              const id = (noun === swapped.noun ? other : own).ids[noun];
              if (id === undefined) throw new Error(`${op.id}: say in the world of this test what \`${noun}\` a tenant has.`);
              return [param, id];
            }),
          );
          const answer = await many.ask({ method: op.method, url: pathWith(op, values), key: keyFor(op, own), body: bodyOf(op) });
          expect([op.id, swapped.noun, answer.statusCode], answer.body).toEqual([op.id, swapped.noun, ofInstallation(op) ? 403 : 404]);
          tried.push(`${op.id} ${swapped.noun}`);
        }
      }
      expect(await everythingOf(many, other.tenant)).toBe(before);
    }
    expect(new Set(tried).size).toBeGreaterThan(25);
  });

  test("an id of one in a body, a query or a cursor of the other names nothing", async () => {
    const before = await everythingOf(many, "globex");
    const { ids } = globex;
    const { key, token } = acme;
    const post = async (url: string, body: object, by = key) =>
      (await many.ask({ method: "POST", url: `/v1/${url}`, key: by, body })).statusCode;
    expect(await post("workload-tokens", { agent: ids["agents"] })).toBe(404);
    expect(await post("agents", { name: "fresh", issuer: ids["issuers"] })).toBe(404);
    expect(await post("credential-providers", { name: "fresh", type: "api_key", apiKey: "x", agents: [ids["agents"]] })).toBe(404);
    expect(await post("clients", { name: "fresh", redirectUris: ["https://a.example/"], issuer: ids["issuers"] })).toBe(404);
    expect(await post("agents", { name: "fresh", project: ids["projects"] })).toBe(404);
    const put = async (body: object) =>
      (await many.ask({ method: "PUT", url: `/v1/projects/${acme.ids["projects"]}`, key, body })).statusCode;
    expect(await put({ agents: [ids["agents"]] })).toBe(404);
    expect(await put({ lanes: { ppe_1: [ids["agents"]] } })).toBe(404);
    const fresh = { name: "fresh", identifier: "https://fresh.example/", scopes: [] };
    for (const named of [{ agents: [ids["agents"]] }, { servers: [ids["agents"]] }, { clients: [ids["clients"]] }]) {
      expect(await post("resources", { ...fresh, ...named })).toBe(404);
    }
    expect(await post("resources", { ...fresh, scopes: [{ name: "read", agents: [ids["agents"]] }] })).toBe(404);
    const provider = ids["credential-providers"];
    expect(await post("credentials/api-key", { provider }, token)).toBe(404);
    expect(await post("credentials/oauth2", { provider }, token)).toBe(404);
    expect(await post("credentials/oauth2", { provider: "calendar", sessionUri: globex.begun.sessionUri }, token)).toBe(404);
    for (const by of [key, acme.apiKey]) {
      expect(await post("authorizations/complete", { sessionUri: globex.begun.sessionUri, userId: "alice" }, by)).toBe(404);
    }
    for (const query of [`agent=${ids["agents"]}`, `user=${ids["users"]}`, `provider=${ids["credential-providers"]}`]) {
      expect((await many.ask({ url: `/v1/connections?${query}`, key })).body).toBe('{"items":[]}');
    }
    for (const query of [`agent=${ids["agents"]}`, `user=${ids["users"]}`]) {
      expect((await many.ask({ url: `/v1/audit-events?${query}`, key })).body).toBe('{"items":[]}');
    }
    for (const op of all.filter(({ query, rights }) => "cursor" in query.shape && rights.includes("admin"))) {
      const url = pathWith(op, globex.ids).replace("/agents//", "/agents/probe/");
      const { nextCursor } = (await many.ask({ url: `${url}?limit=1`, key: globex.key })).json<{ nextCursor?: string }>();
      if (nextCursor === undefined) continue;
      const own = pathWith(op, acme.ids).replace("/agents//", "/agents/probe/");
      const answer = await many.ask({ url: `${own}?limit=500&cursor=${nextCursor}`, key });
      expect(answer.statusCode, op.id).toBe(400);
      for (const mark of marksOf(globex)) expect(answer.body, op.id).not.toContain(mark);
    }
    expect(await everythingOf(many, "globex")).toBe(before);
  });

  test("no key or token of one opens an address of the other, and each is its own tenant's without one", async () => {
    const bob = await issuer.sign({ sub: "bob", aud: "us" });
    const proofs = (world: World): readonly [string, string, object | undefined][] => [
      [world.key, "/v1/agents", undefined],
      [world.apiKey, "/v1/workload-tokens", {}],
      [world.token, "/v1/credentials/api-key", { provider: "weather" }],
    ];
    for (const [own, other] of [
      [acme, globex],
      [globex, acme],
    ] as const) {
      for (const [key, url, body] of proofs(own)) {
        const at = async (prefix: string) => many.ask({ method: body ? "POST" : "GET", url: `${prefix}${url}`, key, body });
        expect((await at(other.prefix)).statusCode).toBe(401);
        for (const prefix of ["", own.prefix]) {
          const answer = await at(prefix);
          expect(answer.statusCode, answer.body).toBe(200);
          for (const mark of marksOf(other)) expect(answer.body).not.toContain(mark);
        }
      }
    }
    // One person of one issuer, trusted by both: known to each by another id, and to tenant default not at all.
    const complete = { method: "POST", url: "/v1/authorizations/complete", key: bob, body: { sessionUri: "x" } };
    expect((await many.ask(complete)).statusCode).toBe(401);
    expect((await many.ask({ ...complete, url: `${acme.prefix}${complete.url}` })).statusCode).toBe(404);
  });

  test("the key sets have no key in common, and neither's key vouches for the other's token", async () => {
    const keysAt = async (path: string) => (await many.had<{ keys: { kid: string }[] }>({ url: path })).keys.map(({ kid }) => kid);
    const [ofDefault, ofAcme, ofGlobex] = await Promise.all(
      ["", acme.prefix, globex.prefix].map((at) => keysAt(`${at}/.well-known/jwks.json`)),
    );
    expect(await keysAt("/.well-known/jwks.json/t/acme")).toEqual(ofAcme);
    expect(new Set([...(ofDefault ?? []), ...(ofAcme ?? []), ...(ofGlobex ?? [])]).size).toBe(3);
    const claims = claimsOf(globex.token);
    expect(ofGlobex).toContain(headerOf(globex.token).kid);
    const spend = async (token: string) =>
      (await many.ask({ method: "POST", url: "/v1/credentials/api-key", key: token, body: { provider: "weather" } })).statusCode;
    expect(await spend(globex.token)).toBe(200);
    expect(await spend(await many.house.signing.sign("acme", "wat+jwt", claims))).toBe(401);
    expect(await spend(await many.house.signing.sign("default", "wat+jwt", claims))).toBe(401);
    // Its own issuer and key, and the other's agent and user.
    const mixed = { ...claims, iss: claimsOf(acme.token).iss, aud: claimsOf(acme.token).aud };
    expect(await spend(await many.house.signing.sign("acme", "wat+jwt", mixed))).toBe(401);
  });

  test("what was sealed for one does not open for the other, wherever its row is put", async () => {
    const { token } = await many.had<{ token: string }>({
      method: "POST",
      url: "/v1/workload-tokens",
      key: acme.key,
      body: { agent: "probe" },
    });
    const sealedOf = async (tenant: string) =>
      (
        await many.house.db.read
          .selectFrom("providers")
          .select("sealed_secret")
          .where("tenant_id", "=", tenant)
          .where("name", "=", "weather")
          .executeTakeFirstOrThrow()
      ).sealed_secret;
    const put = (sealed: string | null) =>
      many.house.db.write(async (tx) => {
        const rows = tx
          .updateTable("providers")
          .set({ sealed_secret: sealed })
          .where("tenant_id", "=", "acme")
          .where("name", "=", "weather");
        // Else the row would be remembered as it was.
        for (const { id } of await rows.returning("id").execute()) await many.house.db.changes.announce(tx, "acme", "provider", id);
      });
    const ask = () => many.ask({ method: "POST", url: "/v1/credentials/api-key", key: token, body: { provider: "weather" } });
    const own = await sealedOf("acme");
    await put(await sealedOf("globex"));
    const answer = await ask();
    expect([answer.statusCode, answer.body.includes(globex.marker)]).toEqual([500, false]);
    await put(own);
    expect((await ask()).json()).toEqual({ apiKey: acme.marker });
  });

  test("a consent's page and callback are at its own tenant's addresses and at no other's", async () => {
    const { pathname } = new URL(globex.begun.authorizationUrl);
    expect(pathname).toMatch(/^\/t\/globex\/consent\//);
    expect([globex.callbackUrl, globex.loginCallbackUrl].map((url) => new URL(url).pathname)).toEqual([
      `/t/globex/callback/${globex.ids["credential-providers"]}`,
      "/t/globex/login/callback",
    ]);
    const elsewhere = (path: string) => [path.replace("/t/globex/", "/t/acme/"), path.replace("/t/globex/", "/")];
    for (const url of elsewhere(pathname)) {
      expect((await many.ask({ url })).statusCode, url).toBe(404);
      expect((await many.ask({ method: "HEAD", url })).statusCode, url).toBe(404);
    }
    const visit = await many.ask({ url: pathname });
    expect(visit.statusCode).toBe(303);
    const towards = new URL(visit.headers.location ?? "");
    expect(towards.searchParams.get("redirect_uri")).toBe(globex.callbackUrl);
    const cookie = String(visit.headers["set-cookie"]).split(";", 1)[0] ?? "";
    const given = many.giver.given();
    const callback = `${new URL(globex.callbackUrl).pathname}?code=one&state=${towards.searchParams.get("state")}`;
    const own = callback.replace(globex.ids["credential-providers"] ?? "", acme.ids["credential-providers"] ?? "");
    for (const url of [...elsewhere(callback), ...elsewhere(own)]) expect((await many.ask({ url, cookie })).statusCode, url).toBe(404);
    expect(many.giver.given()).toBe(given);
    expect((await many.ask({ url: callback, cookie })).statusCode).toBe(200);
    expect(many.giver.given()).toBe(given + 1);
  });

  test("whatever one does by name, to everything it has, changes nothing of the other and shows nothing of it", async () => {
    const before = await everythingOf(many, "globex");
    const marks = marksOf(globex);
    const had: string[] = [];
    for (const op of [...all].sort((a, b) => gravity(a) - gravity(b))) {
      if (ofInstallation(op)) continue;
      const { params = {} } = samples[op.id as keyof typeof samples];
      const named = Object.fromEntries(
        nounsOf(op).map(({ noun, param }) => [param, param === "name" ? (params[param] ?? "") : (acme.ids[noun] ?? "")]),
      );
      const key = op.rights.includes("admin") ? acme.key : acme.token;
      const answer = await many.ask({ method: op.method, url: pathWith(op, named), key, body: bodyOf(op) });
      expect(answer.statusCode, `${op.id}: ${answer.body}`).toBeLessThan(500);
      if (answer.statusCode < 300) had.push(op.id);
      for (const mark of marks) expect(answer.body, op.id).not.toContain(mark);
      expect(await everythingOf(many, "globex"), op.id).toBe(before);
    }
    const rest = all.filter((op) => !ofInstallation(op) && !had.includes(op.id)).map(({ id }) => id);
    // The first needs a consent that has come back; of the others there is one by that name, of its own.
    expect(rest.sort()).toEqual(["completeAuthorization", "createIssuer", "createOperator", "createProvider"]);
  });
});
