import { afterEach, describe, expect, test } from "vitest";
import { makeEgress } from "../../ground/egress/index.ts";
import { startTestIssuer } from "../../testing/openid.ts";
import { candidatesOf, discover } from "./discovery.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const open = async (metadata: Record<string, unknown> = {}) => {
  const upstream = await startTestIssuer({ metadata });
  const egress = makeEgress({ allow: ["127.0.0.1"] });
  closers.push(upstream.stop, () => egress.close());
  const find = (path: string) => discover(egress, `${upstream.url}${path}`);
  const at = (path: string, issuer: string) =>
    upstream.bend(path, { body: JSON.stringify({ issuer: `${upstream.url}${issuer}`, jwks_uri: `${upstream.url}/jwks` }) });
  return { upstream, find, at };
};

const oidc = "/.well-known/openid-configuration";
const oauth = "/.well-known/oauth-authorization-server";

describe("the metadata of an issuer", () => {
  test("is looked for where the two standards put it", () => {
    const urls = (given: string) => candidatesOf(given).map(({ url, issuer }) => [url, issuer]);
    const host = "https://idp.example";
    expect(urls(host)).toEqual([
      [`${host}${oidc}`, host],
      [`${host}${oauth}`, host],
    ]);
    expect(urls(`${host}/t/1/`)).toEqual([
      [`${host}/t/1${oidc}`, `${host}/t/1`],
      [`${host}${oauth}/t/1`, `${host}/t/1`],
      [`${host}${oidc}/t/1`, `${host}/t/1`],
    ]);
    expect(urls(`${host}/t/1${oidc}`)).toEqual([[`${host}/t/1${oidc}`, `${host}/t/1`]]);
    expect(urls(`${host}${oauth}/t/1`)).toEqual([[`${host}${oauth}/t/1`, `${host}/t/1`]]);
    expect(urls(`${host}${oidc}/t/1`)).toEqual([[`${host}${oidc}/t/1`, `${host}/t/1`]]);
    for (const wrong of [`${host}/?a=b`, `${host}?`, "idp.example", ""]) {
      expect(() => urls(wrong)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    }
  });

  test.each([
    ["", oidc, ""],
    ["/", oidc, ""],
    ["", oidc, "/"],
    [oidc, oidc, ""],
    ["/t/1", `/t/1${oidc}`, "/t/1"],
    ["/t/1/", `/t/1${oidc}`, "/t/1/"],
    ["/t/1", `${oauth}/t/1`, "/t/1"],
    ["/t/1", `${oidc}/t/1`, "/t/1"],
    [`${oauth}/t/1`, `${oauth}/t/1`, "/t/1"],
  ])("given %j is found at %s and names %j", async (given, path, issuer) => {
    const { upstream, find, at } = await open();
    at(path, issuer);
    expect(await find(given)).toMatchObject({ url: `${upstream.url}${path}`, document: { issuer: `${upstream.url}${issuer}` } });
  });

  test.each(["https://accounts.example", "", "/t/2", "/t/1x", "/T/1", "//", undefined, 7])(
    "that names %j is not this issuer's",
    async (issuer) => {
      const { upstream, find } = await open();
      const named = typeof issuer === "string" && !issuer.startsWith("https") ? `${upstream.url}${issuer}` : issuer;
      upstream.bend(`/t/1${oidc}`, { body: JSON.stringify({ issuer: named, jwks_uri: `${upstream.url}/jwks` }) });
      await expect(find("/t/1")).rejects.toMatchObject({ code: "invalid_request", details: { reason: "issuer_mismatch" } });
    },
  );

  test.each([
    ["an error", { status: 500, body: "{}" }, "status"],
    ["a page", { headers: { "content-type": "text/html" }, body: "<p>" }, "not_json"],
    ["JSON said to be a page", { headers: { "content-type": "text/html" }, body: "{}" }, "not_json"],
    ["no JSON", { body: "{" }, "not_json"],
    ["a list", { body: "[]" }, "not_json"],
    ["too much", { body: `{"a":"${"a".repeat(1_100_000)}"}` }, "too_large"],
    ["a redirect to a place within", { status: 302, headers: { location: "http://10.0.0.1/" }, body: "" }, "address"],
  ])("that is %s is refused", async (_, answer, reason) => {
    const { upstream, find } = await open();
    upstream.bend(oidc, answer);
    const code = reason === "address" ? "invalid_request" : "issuer_unavailable";
    await expect(find("")).rejects.toMatchObject({ code, details: { reason } });
  });

  test.each([
    ["no keys", { jwks_uri: undefined }, "issuer_unavailable", "metadata"],
    ["keys that are no URL", { jwks_uri: 7 }, "issuer_unavailable", "metadata"],
    ["keys at a place within", { jwks_uri: "https://169.254.169.254/" }, "invalid_request", "address"],
    ["keys in a file", { jwks_uri: "file:///etc/passwd" }, "invalid_request", "scheme"],
    ["a login that is a script", { authorization_endpoint: "javascript:alert(1)" }, "invalid_request", "scheme"],
    ["a token endpoint without TLS", { token_endpoint: "http://8.8.8.8/token" }, "invalid_request", "scheme"],
  ])("with %s is refused", async (_, metadata, code, reason) => {
    const { find } = await open(metadata);
    await expect(find("")).rejects.toMatchObject({ code, details: { reason } });
  });

  test("at a place that may not be reached, or with nobody there, is refused as what it is", async () => {
    const egress = makeEgress({ allow: ["127.0.0.1"] }, { lookup: () => Promise.resolve([{ address: "10.0.0.1", family: 4 }]) });
    closers.push(() => egress.close());
    await expect(discover(egress, "https://idp.example")).rejects.toMatchObject({
      code: "invalid_request",
      details: { reason: "address" },
    });
    await expect(discover(egress, "http://idp.example")).rejects.toMatchObject({ code: "invalid_request" });
    await expect(discover(egress, "http://127.0.0.1:1")).rejects.toMatchObject({
      code: "issuer_unavailable",
      details: { reason: "network" },
    });
  });
});
