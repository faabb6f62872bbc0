// One agent: made by Alibaba Cloud's original command line, listed by our own wire, used by Coze's original client. Suspended once, refused everywhere.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { makePython } from "../python.mjs";

const name = "three-ways";

/** What our own wire says to the agent's API key, and to a token that it was handed. */
const nativeWire = async (server, apiKey) => {
  const ask = (path, bearer, body) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const { token } = await server.ask("POST", "/v1/workload-tokens", { userId: "alice" }, apiKey);
  return async () => [
    (await ask("/v1/workload-tokens", apiKey, { userId: "alice" })).status,
    (await ask("/v1/credentials/api-key", token, { provider: "three-ways" })).status,
  ];
};

/** @throws AssertionError where one of them does not do as it should */
export const threeWays = async ({ server, python, folder, work, env, behindProxy }) => {
  const coze = await makePython(join(folder, "../coze/requirements.txt"));
  if (coze.missing) throw new Error(coze.missing);
  const told = { ...env, ...behindProxy, COLUMNS: "300" };
  ok(
    await python.run(["-m", "agent_identity_cli.cli", "create-workload-identity", "--workload-identity-name", name], { env: told }),
    "the original command line makes it",
  );

  const { items } = await server.ask("GET", "/v1/agents?limit=500");
  const agent = items.find((one) => one.name === name);
  equal(agent?.status, "active", "our own wire lists it");
  equal(agent.roleArn?.endsWith(`:role/AgentIdentityRole-${name}`), true);

  await server.ask("POST", "/v1/credential-providers", { name, type: "api_key", apiKey: "the agent's key" });
  await server.ask("PUT", `/v1/projects/${agent.project}/variables/GREETING`, { value: "hello" });
  const { clientId, clientSecret } = await server.ask("POST", `/v1/agents/${agent.id}/client-secrets`, {});
  equal(clientId, agent.id);
  const { apiKey } = await server.ask("POST", `/v1/agents/${agent.id}/keys`, {});

  const asAlibaba = (expected) =>
    python.run([join(folder, "as_alibaba.py"), name, name, expected, join(work, "alibaba.json")], { env, seconds: 60 });
  const token = `${server.url}/coze/token`;
  const asCoze = (expected) =>
    coze.run([join(folder, "as_coze.py"), server.url, expected, join(work, "coze.txt")], {
      env: {
        COZE_WORKLOAD_IDENTITY_CLIENT_ID: clientId,
        COZE_WORKLOAD_IDENTITY_CLIENT_SECRET: clientSecret,
        COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT: token,
        COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT: token,
        COZE_OUTBOUND_AUTH_ENDPOINT: `${server.url}/coze/secret`,
      },
      seconds: 60,
    });

  const asNative = await nativeWire(server, apiKey);
  deepEqual(await asNative(), [200, 200], "our own wire serves it");
  ok(await asAlibaba("may"), "Alibaba Cloud's client uses it");
  ok(await asCoze("may"), "Coze's client uses it");

  await server.ask("POST", `/v1/agents/${agent.id}/suspend`, {});
  deepEqual(await asNative(), [403, 403], "suspended, our own wire refuses it");
  ok(await asAlibaba("may-not"), "suspended, Alibaba Cloud's client is refused");
  ok(await asCoze("may-not"), "suspended, Coze's client is refused");

  await server.ask("POST", `/v1/agents/${agent.id}/resume`, {});
  ok((await asAlibaba("may")) && (await asCoze("may")), "resumed, both use it again");
};
