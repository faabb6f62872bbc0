import { expect, test } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { claimsOf, type ManyTenants, openManyTenants, testAdminKey } from "./many-tenants.ts";

/** An agent of tenant `acme` and all that it is given. */
const agentOf = async (many: ManyTenants) => {
  const admin = await many.makeTenant("acme");
  const make = (url: string, body: unknown) => many.had({ method: "POST", url: `/v1/${url}`, key: admin, body });
  await make("agents", { name: "scout" });
  await make("credential-providers", { name: "weather", type: "api_key", apiKey: "the-weather-key" });
  const { apiKey = "" } = await make("agents/scout/keys", {});
  const { token = "" } = await make("workload-tokens", { agent: "scout" });
  const { key = "" } = await make("operators", { name: "night-shift", role: "operator" });
  return { admin, apiKey, token, operator: key };
};

/** What a credential is answered where it may be spent. */
const spent = async (many: ManyTenants, what: "token" | "apiKey" | "operator", credential: string, prefix: string) => {
  const asks = {
    token: { method: "POST", url: "/v1/credentials/api-key", body: { provider: "weather" } },
    apiKey: { method: "POST", url: "/v1/workload-tokens", body: {} },
    operator: { method: "GET", url: "/v1/agents", body: undefined },
  };
  return (await many.ask({ ...asks[what], url: `${prefix}${asks[what].url}`, key: credential })).statusCode;
};

eachStore("installations do not mix, though everything in them has the same name and the same keys were given to them", (fresh) => {
  test("a token or key of one is refused by the other: at another address, and at the same one", async () => {
    // One stands elsewhere; one was made anew where the first stands, with the same master key.
    const production = await openManyTenants(await fresh(), "http://127.0.0.1:8700");
    const development = await openManyTenants(await fresh(), "http://127.0.0.1:8701");
    const rebuilt = await openManyTenants(await fresh(), "http://127.0.0.1:8700");
    const houses = [production, development, rebuilt];
    const agents = await Promise.all(houses.map(agentOf));
    expect(new Set(agents.map(({ token }) => claimsOf(token).iss))).toEqual(
      new Set(["http://127.0.0.1:8700/t/acme", "http://127.0.0.1:8701/t/acme"]),
    );
    for (const [at, house] of houses.entries()) {
      for (const [of, agent] of agents.entries()) {
        for (const what of ["token", "apiKey", "operator"] as const) {
          for (const prefix of ["", "/t/acme"]) {
            expect([at, of, what, await spent(house, what, agent[what], prefix)]).toEqual([at, of, what, at === of ? 200 : 401]);
          }
        }
      }
    }
    const sets = await Promise.all(
      houses.flatMap((house) =>
        ["/", "/t/acme/"].map((at) => house.had<{ keys: { kid: string }[] }>({ url: `${at}.well-known/jwks.json` })),
      ),
    );
    expect(new Set(sets.flatMap(({ keys }) => keys.map(({ kid }) => kid))).size).toBe(6);
    for (const house of houses) await house.close();
  });

  test("a token whose issuer was written over is refused, whoever is named", async () => {
    const many = await openManyTenants(await fresh());
    const { token } = await agentOf(many);
    await many.makeTenant("globex");
    const claims = claimsOf(token);
    const issuers = [
      "http://127.0.0.1:8700",
      "http://127.0.0.1:8700/t/globex",
      "http://127.0.0.1:8700/t/default",
      "http://127.0.0.1:8701/t/acme",
    ];
    for (const iss of issuers) {
      const renamed = await many.house.signing.sign("acme", "wat+jwt", { ...claims, iss, aud: `${iss}/vault` });
      expect([iss, await spent(many, "token", renamed, "")]).toEqual([iss, 401]);
    }
    expect(await spent(many, "token", await many.house.signing.sign("acme", "wat+jwt", claims), "")).toBe(200);
    expect(await spent(many, "operator", testAdminKey, "/t/acme")).toBe(401);
    await many.close();
  });
});
