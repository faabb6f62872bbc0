import { generateKeyPairSync } from "node:crypto";
import type { Operation } from "@legate/contract";
import type { Tables } from "../../packages/server/src/ground/db/index.ts";
import { adminOf } from "../../packages/server/src/testing/stores.ts";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import type { ManyTenants } from "./many-tenants.ts";

/** What a tenant is made to own; every name in it is the same in each tenant. */
export interface World {
  readonly tenant: string;
  readonly prefix: string;
  /** Of its first admin. */
  readonly key: string;
  readonly apiKey: string;
  readonly otherApiKey: string;
  /** For `alice`, whom agent `probe` asserts. */
  readonly token: string;
  readonly marker: string;
  readonly begun: { readonly sessionUri: string; readonly authorizationUrl: string };
  /** Ids by the part of the path that stands before them. */
  readonly ids: Readonly<Record<string, string>>;
  readonly issuerId: string;
  readonly loginCallbackUrl: string;
  readonly callbackUrl: string;
}

/** Makes a tenant and furnishes it through the wire, by the names that the samples of the operations use. */
export const furnish = async (many: ManyTenants, tenant: string, issuer: TestIssuer): Promise<World> => {
  const prefix = `/t/${tenant}`;
  const key = await many.makeTenant(tenant);
  const make = <T = Readonly<Record<string, string>>>(url: string, body: unknown, by = key) =>
    many.had<T>({ method: "POST", url: `/v1/${url}`, key: by, body });
  const marker = `weather-key-of-${tenant}-0123456789`;
  const endpoints = { authorizationEndpoint: `${many.giver.url}/authorize`, tokenEndpoint: `${many.giver.url}/token` };
  const oauth2 = {
    type: "oauth2",
    clientId: "us",
    clientAuth: "client_secret_post",
    clientSecret: `secret-of-${tenant}`,
    scopes: ["read"],
  };

  const { id: issuerId = "", loginCallbackUrl = "" } = await make("issuers", {
    name: "corp",
    discoveryUrl: issuer.url,
    audiences: ["us"],
    login: { clientId: "us", clientAuth: "none" },
  });
  const { id: agent = "" } = await make("agents", { name: "probe", binding: "none", issuer: "corp", roleArn: "reader" });
  const { id: role = "" } = await make("roles", { name: "reader" });
  await make("agents", { name: "victim" });
  await make("agents", { name: "other" });
  const { id: keyId = "", apiKey = "" } = await make("agents/probe/keys", {});
  const { apiKey: otherApiKey = "" } = await make("agents/other/keys", {});
  const { id: secretId = "" } = await make("agents/probe/client-secrets", {});
  const { accessKeyId = "" } = await make("access-keys", { rights: { agent: "probe" } });
  const { publicKey } = generateKeyPairSync("ed25519");
  const { id: clientKeyId = "" } = await make("agents/probe/client-keys", { jwk: publicKey.export({ format: "jwk" }) });
  const redirectUris = [`https://${tenant}.example/callback`];
  const { id: client = "" } = await make("clients", { name: "console", redirectUris });
  await make("clients", { name: "victim", redirectUris });
  const { id: resource = "" } = await make("resources", {
    name: "mail",
    identifier: "https://mail.example/",
    agents: ["probe"],
    clients: ["console"],
    servers: ["other"],
    scopes: [{ name: "read", agents: ["probe"] }],
  });
  await make("resources", { name: "victim", identifier: "https://victim.example/", scopes: [] });
  const { id: provider = "", callbackUrl = "" } = await make("credential-providers", { name: "calendar", ...oauth2, ...endpoints });
  await make("credential-providers", { name: "weather", type: "api_key", apiKey: marker });
  await make("credential-providers", { name: "victim", type: "api_key", apiKey: `victim-${marker}` });
  const { id: operator = "" } = await make("operators", { name: "night-shift", role: "operator" });
  const { token, user } = await make<{ token: string; user: { id: string } }>("workload-tokens", { agent: "probe", userId: "alice" });
  const proven = await issuer.sign({ sub: "bob", aud: "us" });
  await make("workload-tokens", { agent: "probe", userToken: proven });
  const { token: alone = "" } = await make("workload-tokens", { agent: "probe" });
  await make("credentials/oauth2", { provider: "calendar", flow: "M2M" }, alone);
  const grant = await many.house.db.write((tx) =>
    many.house.families.begin(tx, adminOf(tenant), {
      client,
      clientVersion: "1",
      clientEpoch: 0,
      agent: undefined,
      user: { id: user.id, epoch: 0 },
      tenantEpoch: 0,
      resource: "https://mail.example/",
      scopes: ["read"],
      expiresAt: Date.now() + 24 * 60 * 60_000,
    }),
  );
  // A project's name is its id, so these are the tenant's own.
  const [project, variable, integration] = [`project-of-${tenant}`, `VARIABLE_OF_${tenant.toUpperCase()}`, `integration-of-${tenant}`];
  const put = (url: string, body: unknown) => many.had({ method: "PUT", url: `/v1/projects/${project}${url}`, key, body });
  await put("", { agents: ["probe"] });
  await put(`/variables/${variable}`, { value: `value-of-${marker}` });
  for (const name of ["maps", integration]) await put(`/integrations/${name}`, { credential: `credential-of-${marker}` });
  // A vault's name is its id too; a provider makes its vault, and leaves it.
  const vault = `vault-of-${tenant}`;
  for (const name of ["team", vault]) {
    await make("credential-providers", { name: "gone", vault: name, type: "api_key", apiKey: marker });
    await many.had({ method: "DELETE", url: `/v1/credential-providers/gone?vault=${name}`, key });
  }
  const begun = await make<World["begun"]>("credentials/oauth2", { provider: "calendar" }, token);
  const first = async (list: string): Promise<string> =>
    (await many.had<{ items: { id: string }[] }>({ url: `/v1/${list}`, key })).items[0]?.id ?? "";
  return {
    tenant,
    prefix,
    key,
    apiKey,
    otherApiKey,
    token,
    marker,
    begun,
    issuerId,
    loginCallbackUrl,
    callbackUrl,
    ids: {
      agents: agent,
      keys: keyId,
      "client-secrets": secretId,
      "client-keys": clientKeyId,
      "access-keys": accessKeyId,
      clients: client,
      resources: resource,
      roles: role,
      users: user.id,
      issuers: issuerId,
      "credential-providers": provider,
      connections: await first("connections"),
      grants: grant.id,
      operators: operator,
      projects: project,
      variables: variable,
      integrations: integration,
      "token-vaults": vault,
      "signing-keys": await first("signing-keys"),
      tenants: tenant,
    },
  };
};

/** When a key was last used is written for its own tenant's requests, and says nothing of anybody else's. */
const restless = new Set(["last_used_at"]);

/** Everything the store holds for a tenant, whichever tables there are. */
export const everythingOf = async ({ house }: ManyTenants, tenant: string): Promise<string> => {
  const tables = await house.db.read.introspection.getTables();
  const held: string[] = [];
  for (const { name, columns } of tables) {
    const column = name === "tenants" ? "id" : columns.find((each) => each.name === "tenant_id")?.name;
    if (column === undefined || name === "changes") continue;
    const rows = await house.db.read
      .selectFrom(name as keyof Tables)
      .selectAll()
      .where(column as "tenant_id", "=", tenant)
      .execute();
    const lines = rows.map((row) => JSON.stringify(Object.entries(row).filter(([field]) => !restless.has(field))));
    held.push(`${name}:`, ...lines.sort());
  }
  return held.join("\n");
};

/** What ends things comes last, and what ends most comes after what ends less, so that each finds something. */
export const gravity = ({ method, path }: Operation): number => {
  if (method === "DELETE") return /keys\/|secrets\/|connections|grants|variables|integrations/.test(path) ? 4 : 6;
  if (method === "POST") return /revoke$|signing-keys/.test(path) ? 5 : path.includes("{") ? 3 : 1;
  return method === "GET" ? 0 : 2;
};
