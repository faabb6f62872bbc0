import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Operation, operations } from "@legate/contract";
import { expect, test } from "vitest";
import { operationsOf } from "../../packages/server/src/front/alibaba/alibaba.ts";
import { samples as alibabaSamples } from "../../packages/server/src/front/alibaba/bad-input-samples-for-tests.ts";
import { serveAlibaba } from "../../packages/server/src/front/alibaba/index.ts";
import { samples } from "../../packages/server/src/front/native/bad-input-samples-for-tests.ts";
import { signRequest } from "../../packages/server/src/testing/acs3.ts";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { recordStatements } from "../../packages/server/src/testing/recorded-statements.ts";
import { type ManyTenants, openManyTenants } from "./many-tenants.ts";
import { furnish, gravity, type World } from "./world.ts";

const all = ([...Object.values(operations)] as Operation[]).sort((one, other) => gravity(one) - gravity(other));

/** What asks for no tenant, each for a reason of its own. */
const known: readonly (readonly [why: string, statement: RegExp])[] = [
  ["a key names its tenant", /from "agent_keys" where "hash" = \?/],
  ["a client secret names its tenant", /from "client_secrets" where "hash" = \?/],
  ["an access key's id names its tenant", /from "access_keys" as "k" .*where "k"\."id" = \?/],
  ["a client's id names its tenant", /from "agents" where "id" = \?/],
  ["a client's id names its tenant", /from "clients" where "id" = \?/],
  ["a key names its tenant", /from "operators" as "o" .*where "o"\."key_hash" = \?/],
  ["ids of tenants are what it asks for", /from "audit_unsealed" where "tenant_id" > \?/],
];

/** How many tables of tenants' things a statement reads or changes, and for how many of them it says whose. */
const weigh = (sql: string, owned: readonly string[]) => {
  const named = owned.flatMap((table) => [...sql.matchAll(new RegExp(`(?:from|join|update) "${table}"`, "g"))]);
  const told = [...sql.matchAll(/"tenant_id" = (?:\?|"\w+"\."tenant_id")/g)];
  return { named: named.length, told: told.length };
};

/** What is asked first on the signed wire, and what next: things are made, attached, looked at, changed and used, taken apart and deleted. */
const turns = [
  /^Create(TokenVault|IdentityProvider)/,
  /^(Create|Add)/,
  /^Attach/,
  /^(Get|List|Assume|Search|Evaluate)/,
  /^Update/,
  /^(Complete|Detach)/,
  /^DeleteWorkloadIdentity|^Delete\w*Gateway|^DeletePolicy$/,
  /^Delete(?!TokenVault)/,
  /^Delete/,
];
const turnOf = ({ action }: { readonly action: string }) => turns.findIndex((verb) => verb.test(action));

/** What nobody is answered here: decisions that are not made, and a consent that nobody walked. */
const neverDone = ["CompleteResourceTokenAuth", "EvaluatePolicy", "SearchAuthorizedActions"];

/** Asks for every action of the signed wire, with the key of a tenant's admin; answers which of them were done. */
const askSigned = async (many: ManyTenants, { tenant, key, token }: World, issuer: TestIssuer): Promise<readonly string[]> => {
  const { accessKeyId = "", accessKeySecret: secret = "" } = await many.had({ method: "POST", url: "/v1/access-keys", key, body: {} });
  const metadata = { AuthorizationRequest: { Endpoint: `${many.giver.url}/a` }, TokenRequest: { Endpoint: `${many.giver.url}/t` } };
  const config = { ClientId: "c", ClientSecret: "s", OAuth2Discovery: { AuthorizationServerMetadata: metadata } };
  const values: Readonly<Record<string, string>> = {
    ...alibabaSamples,
    CascadingDelete: "False",
    DiscoveryURL: issuer.url,
    IdentityProviderName: "signed",
    OAuth2ProviderConfig: JSON.stringify({ CustomOAuth2ProviderConfig: config }),
    RoleArn: `acs:ram::${await many.house.tenants.accountOf(tenant)}:role/role`,
    TokenVaultName: "signed",
    UserToken: await issuer.sign({ sub: "bob", aud: "app" }),
    WorkloadAccessToken: token,
  };
  /** What the tenant was furnished with. */
  const furnished: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    GetResourceAPIKey: { ResourceCredentialProviderName: "weather", TokenVaultName: "default" },
    GetResourceOAuth2Token: { ResourceCredentialProviderName: "calendar", TokenVaultName: "default", SessionURI: "" },
  };
  const done: string[] = [];
  for (const { version, action, params } of operationsOf(many.house).toSorted((one, other) => turnOf(one) - turnOf(other))) {
    const given = { ...values, ...furnished[action] };
    const names = Object.keys(params.shape).filter((name) => given[name] !== "" && name !== "NextToken" && name !== "Marker");
    const body = new URLSearchParams(Object.fromEntries(names.map((name) => [name, given[name] ?? ""]))).toString();
    const { headers } = signRequest({ accessKeyId, secret, version, action, body, date: many.hand.clock() });
    const answer = await many.http.app.inject({ method: "POST", url: "/", headers, payload: body });
    expect(answer.statusCode, `${action}: ${answer.body}`).toBeLessThan(500);
    if (answer.statusCode === 200) done.push(`${version}/${action}`);
  }
  return done;
};

test("whatever is asked, no statement reads or changes a tenant's things without saying whose", async () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-test-"));
  const recorded = recordStatements();
  const many = await openManyTenants({ engine: "sqlite", path: join(folder, "legate.db") });
  try {
    await serveAlibaba(many.http.app, many.house);
    const before = new Set(recorded.seen());
    const issuer = await many.startIssuer();
    const worlds: readonly World[] = [await furnish(many, "acme", issuer), await furnish(many, "globex", issuer)];
    // One person consents and one does not.
    for (const [at, world] of worlds.entries()) {
      const visit = await many.ask({ url: new URL(world.begun.authorizationUrl).pathname });
      const state = new URL(String(visit.headers.location)).searchParams.get("state");
      const cookie = String(visit.headers["set-cookie"]).split(";", 1)[0] ?? "";
      const said = at === 0 ? "code=one" : "error=access_denied";
      const answer = await many.ask({ url: `${new URL(world.callbackUrl).pathname}?${said}&state=${state}`, cookie });
      expect(answer.statusCode, answer.body).toBe(200);
      const read = { method: "POST", url: "/v1/credentials/oauth2", key: world.token, body: { provider: "calendar" } };
      expect((await many.ask(read)).statusCode).toBe(at === 0 ? 200 : 202);
    }
    // The signed wire makes things of its own beside these and deletes them; once more, so that some are there already or no more.
    const another = await many.startIssuer();
    for (const world of worlds) {
      const done = await askSigned(many, world, another);
      const all = operationsOf(many.house).map(({ version, action }) => `${version}/${action}`);
      expect(
        all
          .filter((action) => !done.includes(action))
          .map((action) => action.split("/")[1] ?? "")
          .sort(),
      ).toEqual(neverDone);
      await askSigned(many, world, another);
    }
    // Once with what is there, once more when all of it was ended.
    for (const world of [...worlds, ...worlds]) {
      for (const op of all.filter(({ rights }) => !rights.includes("installation-admin"))) {
        const { params = {}, body = {} } = samples[op.id as keyof typeof samples];
        const path = op.path.replaceAll(/([\w-]+)\/\{(\w+)\}/g, (_, noun: string, param: string) => {
          const value = param === "name" ? params[param] : world.ids[noun];
          return `${noun}/${value ?? ""}`;
        });
        const key = op.rights.includes("admin") ? world.key : world.token;
        await many.ask({ method: op.method, url: path, key, body: op.method === "GET" || op.method === "DELETE" ? undefined : body });
      }
      await many.ask({ url: new URL(world.begun.authorizationUrl).pathname });
      await many.ask({ url: `${new URL(world.callbackUrl).pathname}?code=x&state=y` });
    }
    const tables = await many.house.db.read.introspection.getTables();
    const owned = tables.flatMap(({ name, columns }) => (columns.some((column) => column.name === "tenant_id") ? [name] : []));
    const heard = recorded.seen().filter((sql) => !before.has(sql));
    const missing = heard.filter((sql) => {
      if (known.some(([, statement]) => statement.test(sql))) return false;
      const { named, told } = weigh(sql, owned);
      return told < named;
    });
    expect(missing).toEqual([]);
    expect(heard.filter((sql) => weigh(sql, owned).named > 0).length).toBeGreaterThan(60);
  } finally {
    await many.close();
    recorded.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
