import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startProvider, type TestProvider } from "./provider.ts";

const redirectUri = "http://127.0.0.1:8700/callback/prv_1";
let provider: TestProvider;
beforeAll(async () => {
  provider = await startProvider({ withheld: ["admin"] });
  provider.addClient({
    client_id: "legate",
    client_secret: "s3cret",
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token", "client_credentials"],
  });
});
afterAll(() => provider.stop());

const authorize = (scope: string) => {
  const verifier = randomBytes(32).toString("base64url");
  const url = new URL(`${provider.issuer}/auth`);
  url.search = new URLSearchParams({
    client_id: "legate",
    redirect_uri: redirectUri,
    response_type: "code",
    scope,
    state: "abc",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }).toString();
  return { url: url.href, verifier };
};

const token = async (form: Record<string, string>) => {
  const response = await fetch(`${provider.issuer}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("legate:s3cret").toString("base64")}` },
    body: new URLSearchParams(form),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test("a person walks login and consent, and the token speaks for them, without what is withheld", async () => {
  const { url, verifier } = authorize("openid read admin");
  const back = new URL(await provider.walk(url, "alice"));
  expect(back.searchParams.get("state")).toBe("abc");
  expect(back.searchParams.get("iss")).toBe(provider.issuer);
  const { status, body } = await token({
    grant_type: "authorization_code",
    code: back.searchParams.get("code") ?? "",
    code_verifier: verifier,
    redirect_uri: redirectUri,
  });
  expect(status).toBe(200);
  const me = async (accessToken: unknown) =>
    fetch(`${provider.issuer}/api/me`, { headers: { authorization: `Bearer ${String(accessToken)}` } });
  await expect((await me(body["access_token"])).json()).resolves.toEqual({ user: "alice", client: "legate", scopes: ["openid", "read"] });
  const refreshed = await token({ grant_type: "refresh_token", refresh_token: String(body["refresh_token"]) });
  expect(refreshed.body["refresh_token"]).not.toBe(body["refresh_token"]);
  expect(provider.tokenCalls()).toEqual({ authorization_code: 1, refresh_token: 1, client_credentials: 0, refused: 0 });
  provider.revokeGrants();
  expect((await me(refreshed.body["access_token"])).status).toBe(401);
});

test("a person who denies comes back with access_denied", async () => {
  const back = new URL(await provider.walk(authorize("read").url, "bob", "deny"));
  expect(back.searchParams.get("error")).toBe("access_denied");
});

test("a client alone gets a token for a resource, as a JWT", async () => {
  const { body } = await token({ grant_type: "client_credentials", scope: "read", resource: "https://api.example.test/" });
  const response = await fetch(`${provider.issuer}/api/me`, { headers: { authorization: `Bearer ${String(body["access_token"])}` } });
  await expect(response.json()).resolves.toEqual({ client: "legate", audience: "https://api.example.test/", scopes: ["read"] });
});

test("a broken token endpoint answers HTML until it is mended", async () => {
  provider.breakTokens(503);
  const response = await fetch(`${provider.issuer}/token`, { method: "POST" });
  expect([response.status, response.headers.get("content-type")]).toEqual([503, "text/html"]);
  provider.breakTokens(undefined);
  await expect(token({ grant_type: "client_credentials" })).resolves.toMatchObject({ status: 200 });
});
