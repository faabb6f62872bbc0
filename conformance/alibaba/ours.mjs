// Our own client of this wire, asked what the original is asked: how many requests a wrapped call takes.
import { deepEqual, equal, ok } from "node:assert/strict";
import { AgentContext, IdentityClient, withAccessToken, withApiKey } from "../../packages/sdk/dist/alibaba/index.js";

const name = "ours";

/** @throws AssertionError where it asks more often than it should, or is given something else */
export const countOurs = async ({ server, provider, ways, key, desk }) => {
  const seen = async () => (await (await fetch(`${ways.plain}/seen`)).json()).map(({ action }) => action);
  const { ask } = server;
  await ask("POST", "/v1/agents", { name, roleArn: `acs:ram::9999999999999999:role/${name}` });
  await ask("POST", "/v1/credential-providers", { name: `${name}-key`, type: "api_key", apiKey: "the key" });
  const clientId = `${name}-client`;
  const made = await ask("POST", "/v1/credential-providers", {
    name,
    type: "oauth2",
    discoveryUrl: provider.discoveryUrl,
    clientId,
    clientSecret: "a secret",
    clientAuth: "client_secret_post",
  });
  const client = {
    client_id: clientId,
    client_secret: "a secret",
    redirect_uris: [made.callbackUrl],
    grant_types: ["authorization_code", "client_credentials"],
    token_endpoint_auth_method: "client_secret_post",
    scope: "read",
  };
  await fetch(`${desk.url}/clients`, { method: "POST", body: JSON.stringify(client) });

  for (const useSts of [true, false]) {
    const identity = new IdentityClient({ endpoint: ways.plain, workloadName: name, credentials: key, useSts });
    const wrapped = {
      "an API key": [withApiKey({ provider: `${name}-key`, client: identity }, ({ apiKey }) => equal(apiKey, "the key"))],
      "an access token": [
        withAccessToken({ provider: name, flow: "M2M", scopes: ["read"], client: identity }, ({ accessToken }) => ok(accessToken)),
      ],
    };
    for (const [what, [call]] of Object.entries(wrapped)) {
      await seen();
      await AgentContext.run({ userId: "alice" }, () => call({}));
      const cold = await seen();
      const warm = [];
      for (let at = 0; at < 3; at += 1) {
        await AgentContext.run({ userId: "alice" }, () => call({}));
        warm.push((await seen()).length);
      }
      console.log(
        `${what}, ${useSts ? "with" : "without"} STS: ${cold.length} requests cold (${cold.join(", ")}), warm ${warm.join(", ")}`,
      );
      ok(cold.length <= (useSts ? 3 : 2), what);
      ok(
        warm.every((count) => count <= 1),
        what,
      );
    }
  }
  // Many at once are one.
  const identity = new IdentityClient({ endpoint: ways.plain, workloadName: name, credentials: key });
  const call = withAccessToken({ provider: name, flow: "M2M", scopes: ["read"], client: identity }, ({ accessToken }) => accessToken);
  await seen();
  await Promise.all(Array.from({ length: 20 }, () => call({})));
  deepEqual(await seen(), ["GetWorkloadAccessToken", "AssumeRoleForWorkloadIdentity", "GetResourceOAuth2Token"]);
};
