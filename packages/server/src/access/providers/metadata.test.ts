import { afterEach, beforeEach, expect, test } from "vitest";
import { makeEgress } from "../../ground/egress/index.ts";
import { handClock } from "../../testing/stores.ts";
import { makeMetadata, placesOf } from "./metadata.ts";
import type { Provider } from "./provider.ts";
import { type Scripted, startScripted } from "./providers-for-tests.ts";

let there: Scripted;
const egress = makeEgress({ allow: ["127.0.0.0/8"] });
const hand = handClock();
beforeEach(async () => {
  there = await startScripted(({ url }) =>
    url === "/.well-known/openid-configuration"
      ? { body: { issuer: there.url, token_endpoint: `${there.url}/t` } }
      : { status: 404, body: {} },
  );
});
afterEach(() => there.stop());

const provider = (more: Partial<Provider> = {}) => ({ id: "prv_1", version: 1, discoveryUrl: there.url, ...more }) as Provider;
const opened = () => makeMetadata({ egress, clock: hand.clock });
const minutes = (count: number) => count * 60_000;

test("metadata may be given by its own URL or its issuer's, in both forms", () => {
  const issuer = "https://id.example.test/t/acme";
  const places = [
    { url: `${issuer}/.well-known/openid-configuration`, issuer },
    { url: "https://id.example.test/.well-known/oauth-authorization-server/t/acme", issuer },
  ];
  expect(placesOf(issuer)).toEqual(places);
  expect(placesOf(`${issuer}/`)).toEqual(places);
  for (const place of places) expect(placesOf(place.url)).toEqual([place]);
});

test("it is read once in ten minutes, by one request however many ask, and anew for a changed provider", async () => {
  const metadata = opened();
  const asked = Array.from({ length: 20 }, () => metadata.of("acme", provider()));
  expect(new Set(await Promise.all(asked)).size).toBe(1);
  hand.forward(minutes(10) - 1);
  await metadata.of("acme", provider());
  expect(there.seen).toHaveLength(1);
  hand.forward(1);
  await metadata.of("acme", provider());
  expect(there.seen).toHaveLength(2);
  await metadata.of("acme", provider({ version: 2 }));
  await metadata.of("globex", provider({ version: 2 }));
  expect(there.seen).toHaveLength(4);
});

test("it is kept through an outage, which is asked after again soon; without any there is none", async () => {
  const metadata = opened();
  const known = await metadata.of("acme", provider());
  there.answer(() => ({ status: 503, body: "" }));
  hand.forward(minutes(11));
  await expect(metadata.of("acme", provider())).resolves.toBe(known);
  const during = there.seen.length;
  await expect(metadata.of("acme", provider())).resolves.toBe(known);
  expect(there.seen).toHaveLength(during);
  hand.forward(30_000);
  there.answer(() => ({ body: { issuer: there.url, token_endpoint: `${there.url}/new` } }));
  await expect(metadata.of("acme", provider())).resolves.toMatchObject({ tokenEndpoint: `${there.url}/new` });
  there.answer(() => ({ status: 503, body: "" }));
  await expect(opened().of("acme", provider())).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "status" });
  // Nobody else's stands in, not even the same provider's before it changed.
  await expect(metadata.of("acme", provider({ version: 2 }))).rejects.toMatchObject({ reason: "status" });
});

test("metadata of another issuer, or with addresses that may not be reached, is not used", async () => {
  const of = (body: object, more: Partial<Provider> = {}) => {
    there.answer(() => ({ body }));
    return opened().of("acme", provider(more));
  };
  const unusable = { name: "UpstreamUnavailable", reason: "metadata" };
  await expect(of({ issuer: "https://attacker.example.test" })).rejects.toMatchObject(unusable);
  await expect(of({})).rejects.toMatchObject(unusable);
  await expect(of({ issuer: there.url }, { issuer: "https://id.example.test" })).rejects.toMatchObject(unusable);
  await expect(of({ issuer: "https://id.example.test" }, { issuer: "https://id.example.test" })).resolves.toMatchObject({
    issuer: "https://id.example.test",
  });
  // A final slash is lost where the address is made, so either is right.
  await expect(of({ issuer: `${there.url}/` })).resolves.toMatchObject({ issuer: `${there.url}/` });
  for (const endpoint of ["javascript:alert(1)", "http://192.0.2.1/authorize", "http://u:p@127.0.0.1/", 7])
    await expect(of({ issuer: there.url, authorization_endpoint: endpoint }), String(endpoint)).rejects.toMatchObject(unusable);
});

test("an issuer shared by many tenants may stand for each of theirs, for the kind that has such", async () => {
  const of = (more: Partial<Provider>) => opened().of("acme", provider({ discoveryUrl: `${there.url}/common/v2.0`, ...more }));
  there.answer(() => ({ body: { issuer: `${there.url}/{tenantid}/v2.0` } }));
  await expect(of({ kind: "microsoft" })).resolves.toMatchObject({ issuer: `${there.url}/{tenantid}/v2.0` });
  await expect(of({ kind: "oidc" })).rejects.toMatchObject({ reason: "metadata" });
});

test("what is not metadata is looked for at the other place, then given up", async () => {
  there.answer(({ url }) =>
    url.startsWith("/.well-known/oauth-authorization-server")
      ? { body: { issuer: there.url } }
      : { status: 404, body: "<h1>Not found</h1>" },
  );
  await expect(opened().of("acme", provider())).resolves.toMatchObject({ issuer: there.url, clientAuthMethods: ["client_secret_basic"] });
  for (const body of ["<h1>Hello</h1>", [], 7]) {
    there.answer(() => ({ body }));
    await expect(opened().of("acme", provider())).rejects.toMatchObject({ name: "UpstreamUnavailable", reason: "nonsense" });
  }
});
