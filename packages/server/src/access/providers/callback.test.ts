import { afterEach, beforeEach, expect, test } from "vitest";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { Provider } from "./provider.ts";
import { type OpenProviders, openProviders, type Scripted, startScripted } from "./providers-for-tests.ts";

const tenant = "default";
const who = adminOf(tenant);

eachStore("what a browser brings back", (fresh) => {
  let house: OpenProviders;
  let there: Scripted;
  let metadata: Record<string, unknown>;
  beforeEach(async () => {
    house = await openProviders(await fresh());
    there = await startScripted(({ method }) => ({ body: method === "GET" ? metadata : { access_token: "at" } }));
    metadata = {
      issuer: there.url,
      authorization_endpoint: `${there.url}/authorize`,
      token_endpoint: `${there.url}/token`,
      authorization_response_iss_parameter_supported: true,
    };
  });
  afterEach(async () => {
    await there.stop();
    await house.close();
  });

  const client = { type: "oauth2", clientId: "c", clientSecret: "s" } as const;
  const discovered = () => house.providers.create(who, { ...client, name: "discovered", discoveryUrl: there.url });
  const read = (provider: Provider, query: string) =>
    house.providers.upstream.readCallback(tenant, provider, new URLSearchParams(query), "st");
  const refused = { name: "UpstreamRefused", error: "invalid_authorization_response" };

  test("another server's answer is refused before any token call: iss wrong, missing though promised, or twice", async () => {
    const provider = await discovered();
    const iss = encodeURIComponent(there.url);
    for (const query of [
      "code=c&state=st",
      "code=c&state=st&iss=https%3A%2F%2Fattacker.example.test",
      `code=c&state=st&iss=${iss}%2F`,
      `code=c&state=st&iss=${iss}&iss=${iss}`,
      "error=access_denied&state=st",
      "error=access_denied&state=st&iss=https%3A%2F%2Fattacker.example.test",
    ])
      await expect(read(provider, query), query).rejects.toMatchObject(refused);
    await expect(read(provider, `code=c&state=st&iss=${iss}`)).resolves.toMatchObject({ ok: true });
    await expect(read(provider, `error=access_denied&state=st&iss=${iss}`)).resolves.toEqual({ ok: false, error: "access_denied" });
    expect(there.tokenCalls()).toBe(0);
  });

  test("iss is not demanded of who never promised it, and must be right all the same", async () => {
    delete metadata["authorization_response_iss_parameter_supported"];
    const provider = await discovered();
    await expect(read(provider, "code=c&state=st")).resolves.toMatchObject({ ok: true });
    await expect(read(provider, "code=c&state=st&iss=https%3A%2F%2Fattacker.example.test")).rejects.toMatchObject(refused);
  });

  test("an issuer configured beside explicit endpoints is what iss must be; without one iss proves nothing", async () => {
    const named = await house.providers.create(who, { ...client, name: "named", ...there.endpoints, issuer: "https://id.example.test" });
    await expect(read(named, "code=c&state=st&iss=https%3A%2F%2Fid.example.test")).resolves.toMatchObject({ ok: true });
    await expect(read(named, `code=c&state=st&iss=${encodeURIComponent(there.url)}`)).rejects.toMatchObject(refused);
    const nameless = await house.providers.create(who, { ...client, name: "nameless", ...there.endpoints });
    const callback = await read(nameless, "code=c&state=st&iss=https%3A%2F%2Fid.example.test");
    if (!callback.ok) throw new Error(callback.error);
    const ask = { kept: callback.kept, codeVerifier: "v".repeat(43), state: "st" };
    await expect(house.providers.upstream.exchange(tenant, nameless, ask)).resolves.toMatchObject({ accessToken: "at" });
  });

  test("another state, no state, no code, a code twice, and answers of other flows are refused", async () => {
    const provider = await house.providers.create(who, { ...client, name: "plain", ...there.endpoints });
    for (const query of [
      "code=c&state=other",
      "code=c",
      "code=c&state=st&state=st",
      "state=st",
      "code=&state=st",
      "code=c&code=d&state=st",
      "error=access_denied&error=access_denied&state=st",
      "error=access_denied&state=other",
      "code=c&state=st&id_token=x",
      "code=c&state=st&token=x",
      "response=x&state=st",
    ])
      await expect(read(provider, query), query).rejects.toMatchObject(refused);
    expect(there.tokenCalls()).toBe(0);
  });

  test("what an answer says of itself is repeated only where it is plain text", async () => {
    const provider = await house.providers.create(who, { ...client, name: "plain", ...there.endpoints });
    await expect(read(provider, "error=server_error&error_description=Out+of+order&state=st")).resolves.toEqual({
      ok: false,
      error: "server_error",
      description: "Out of order",
    });
    await expect(read(provider, "error=%3Cb%3E%0A&error_description=%00&state=st")).resolves.toEqual({ ok: false, error: "unknown_error" });
  });

  test("nothing but the code and what proves its origin is kept", async () => {
    const provider = await house.providers.create(who, { ...client, name: "plain", ...there.endpoints });
    const callback = await read(provider, "code=c&state=st&session_state=canary&scope=canary");
    expect(JSON.stringify(callback)).not.toContain("canary");
  });
});
