import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { isDocumentId, kindOfClientId } from "./client-id.ts";
import { parseDocument } from "./document.ts";
import { documentAt } from "./document-host-for-tests.ts";
import { freshFor } from "./freshness.ts";

const id = "https://app.example/client.json";
const parse = (given: Readonly<Record<string, unknown>>, clientId = id) => parseDocument(JSON.stringify(documentAt(id, given)), clientId);

describe("the URL of a client's document", () => {
  test.each([
    "https://app.example/",
    "https://app.example/client",
    "https://app.example:8443/client.json?v=1",
    "https://app.example:443/client",
    "https://APP.example/client",
    "https://192.0.2.7/client",
    "https://[2001:db8::1]/client",
    "https://app.example/a%20b/..c",
  ])("may be %s", (url) => {
    expect(isDocumentId(url)).toBe(true);
  });

  test.each([
    "http://app.example/client",
    "HTTPS://app.example/client",
    "https://app.example",
    "https://app.example?x",
    "https://app.example/client#x",
    "https://app.example/client#",
    "https://user@app.example/client",
    "https://user:pass@app.example/client",
    "https://app.example/./client",
    "https://app.example/a/../client",
    "https://app.example/a/..",
    "https://app.example/%2e%2e/client",
    "https://app.example/.%2E/client",
    "https://app.example/a\\b",
    "https://app.example/a b",
    "https://app.example/\u00e4",
    "https://b\u00fccher.example/client",
    "https://app.example/%",
    "https://app.example:99999/client",
    "https:///client",
    "https://app.example/\n",
    " https://app.example/client",
    `https://app.example/${"a".repeat(2_048)}`,
    "javascript:alert(1)",
    "",
  ])("may not be %j", (url) => {
    expect(isDocumentId(url)).toBe(false);
    expect(kindOfClientId(url)).toBeUndefined();
  });
});

describe("a client's document", () => {
  test.each([
    ["client_id", { client_id: "https://app.example/other.json" }],
    ["client_id", { client_id: "https://APP.example/client.json" }],
    ["client_id", { client_id: "https://app.example:443/client.json" }],
    ["client_id", { client_id: `${id}?` }],
    ["client_id", { client_id: undefined }],
    ["client_id", { client_id: [id] }],
    ["auth_method", { token_endpoint_auth_method: "client_secret_basic" }],
    ["auth_method", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [] } }],
    ["auth_method", { token_endpoint_auth_method: null }],
    ["secret", { client_secret: "x" }],
    ["secret", { client_secret_expires_at: 0 }],
    ["secret", { jwks: { keys: [generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })] } }],
    ["secret", { jwks: { keys: [{ kty: "oct", k: "c2VjcmV0" }] } }],
    ["redirect_uris", { redirect_uris: undefined }],
    ["redirect_uris", { redirect_uris: [] }],
    ["redirect_uris", { redirect_uris: "https://app.example/cb" }],
    ["redirect_uris", { redirect_uris: [7] }],
    ["redirect_uris", { redirect_uris: ["https://other.example/cb"] }],
    ["redirect_uris", { redirect_uris: ["https://sub.app.example/cb"] }],
    ["redirect_uris", { redirect_uris: ["https://app.example:8443/cb"] }],
    ["redirect_uris", { redirect_uris: ["https://app.example@evil.example/cb"] }],
    ["redirect_uris", { redirect_uris: ["javascript:alert(1)", "data:text/html,x", "http://app.example/cb", "app:/cb"] }],
    ["redirect_uris", { redirect_uris: ["com.example.app:/cb", "example.appetite:/cb"] }],
    ["redirect_uris", { redirect_uris: Array.from({ length: 51 }, (_, at) => `https://app.example/${at}`) }],
    ["grant_types", { grant_types: ["client_credentials"] }],
    ["grant_types", { grant_types: "authorization_code" }],
    ["response_types", { response_types: ["token"] }],
    ["name", { client_name: "" }],
    ["name", { client_name: "  " }],
    ["name", { client_name: 7 }],
    ["name", { client_name: "a".repeat(201) }],
    ["name", { client_name: "Bank\u202eknaB" }],
    ["name", { client_name: "Bank\u200b" }],
    ["name", { client_name: "Bank\nWe say: consent" }],
    ["name", { client_name: "\ud800" }],
  ] as const)("is refused for its %s: %j", (reason, given) => {
    expect(() => parse(given)).toThrowError(expect.objectContaining({ reason }) as Error);
  });

  test("needs little: an id and where to go; it is called by its host then", () => {
    const { document } = parseDocument(JSON.stringify({ client_id: id, redirect_uris: ["https://app.example/cb"] }), id);
    expect(document).toEqual({
      name: "app.example",
      redirectUris: ["https://app.example/cb"],
      grantTypes: ["authorization_code", "refresh_token"],
      uri: undefined,
    });
    expect(parse({ grant_types: ["authorization_code", "urn:other"] }).document.grantTypes).toEqual(["authorization_code"]);
  });

  test("sends people to its own origin, its own scheme, or their own machine; other places are left out", () => {
    const own = ["https://app.example/cb", "http://127.0.0.1:3000/cb", "http://localhost/cb", "example.app:/cb", "example.app.beta:/cb"];
    const others = ["https://other.example/cb", "javascript:alert(1)", "cursor://cb", "com.example.app:/cb", "https://app.example/#x"];
    expect(parse({ redirect_uris: [...own, ...others] }).document.redirectUris).toEqual(own);
  });

  test("shows no page of anybody else as its own", () => {
    for (const uri of ["https://bank.example/", "javascript:alert(1)", "http://app.example/", "x", 7]) {
      expect(parse({ client_uri: uri }).document.uri).toBeUndefined();
    }
    expect(parse({ client_uri: "https://app.example/about" }).document.uri).toBe("https://app.example/about");
  });

  test("that was only written otherwise says the same", () => {
    const given = documentAt(id, { jwks: { keys: [{ kty: "EC", crv: "P-256" }] } });
    const turned = Object.fromEntries(Object.entries(given).reverse());
    const other = JSON.stringify({ ...turned, jwks: { keys: [{ crv: "P-256", kty: "EC" }] } }, undefined, 2);
    expect(parseDocument(other, id).hash).toBe(parseDocument(JSON.stringify(given), id).hash);
  });
});

describe("for how long a document is believed", () => {
  const now = Date.UTC(2026, 0, 1);
  const minute = 60_000;
  test.each([
    [{}, 60],
    [{ "cache-control": "public" }, 60],
    [{ "cache-control": "max-age=1200" }, 20],
    [{ "cache-control": 'max-age="1200"' }, 20],
    [{ "cache-control": "Max-Age=1200, max-age=60" }, 20],
    [{ "cache-control": "max-age=1200, s-maxage=1800" }, 30],
    [{ "cache-control": "max-age=1200", age: "600" }, 10],
    [{ "cache-control": "max-age=1200", age: "6000" }, 5],
    [{ "cache-control": "max-age=1200, no-store" }, 5],
    [{ "cache-control": "no-cache" }, 5],
    [{ "cache-control": "max-age=0" }, 5],
    [{ "cache-control": "max-age=-1" }, 60],
    [{ "cache-control": "max-age=99999999999999" }, 60],
    [{ "cache-control": "max-age=9999999999" }, 24 * 60],
    [{ expires: new Date(now + 20 * minute).toUTCString() }, 20],
    [{ expires: new Date(now + 20 * minute).toUTCString(), date: new Date(now + 10 * minute).toUTCString() }, 10],
    [{ expires: new Date(now - minute).toUTCString() }, 5],
    [{ expires: "0" }, 5],
    [{ expires: "never" }, 5],
    [{ expires: new Date(now + 20 * minute).toUTCString(), "cache-control": "max-age=600" }, 10],
  ] as const)("%j: %i minutes", (headers, minutes) => {
    expect(freshFor(new Headers(headers as Record<string, string>), now)).toBe(minutes * minute);
  });
});
