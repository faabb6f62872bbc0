// The original clients of Coze workload identity, 0.1.2 and 0.1.14, unmodified: what they read from Legate, and what their errors say, and when.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePython } from "../python.mjs";

/** The provider that an integration's live token comes from runs here. */
export const settings = { LEGATE_EGRESS_ALLOW: "127.0.0.1" };

/** A token endpoint that gives a token for the client itself, another each time. */
const startProvider = async () => {
  let given = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => {
      given += 1;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: `live-token-${given}`, token_type: "Bearer", expires_in: 3600 }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};

/** What no shell quoting, form or JSON may bend. */
const variables = {
  GREETING: "hello",
  LINES: 'one\ntwo = "three"\r\n\tfour\\',
  EMPTY: "",
  SCRIPT: "仓库 🔑 é",
  LONG: "x".repeat(20_000),
  "dotted.and-dashed": "1",
};

const agentOf = async ({ ask }, name, more = {}) => {
  const { id } = await ask("POST", "/v1/agents", { name, ...more });
  const { clientId, clientSecret } = await ask("POST", `/v1/agents/${id}/client-secrets`, {});
  const { apiKey } = await ask("POST", `/v1/agents/${id}/keys`, {});
  return { id, name, clientId, clientSecret, apiKey };
};

/** One project, in three lanes, with an integration of each kind; and agents, each with a client secret. */
const furnish = async (server, provider) => {
  const { ask } = server;
  await ask("PUT", "/v1/projects/shop", { lanes: { ppe_closed: ["label:nobody"] } });
  const set = (name, value, lane) => ask("PUT", `/v1/projects/shop/variables/${name}`, { value, ...(lane && { lane }) });
  for (const [name, value] of Object.entries(variables)) await set(name, value);
  for (const lane of ["ppe_blue", "boe_green", "custom", "ppe_closed"]) await set("GREETING", `hello from ${lane}`, lane);
  await ask("POST", "/v1/credential-providers", { name: "weather", type: "api_key", apiKey: "key of the weather" });
  await ask("POST", "/v1/credential-providers", {
    name: "calendar",
    type: "oauth2",
    clientId: "legate",
    clientSecret: "secret",
    tokenEndpoint: `${provider.url}/token`,
    authorizationEndpoint: `${provider.url}/authorize`,
    scopes: ["read"],
  });
  const integrate = (name, body) => ask("PUT", `/v1/projects/shop/integrations/${name}`, body);
  await integrate("stored", { credential: 'a "stored" credential\n仓库' });
  await integrate("weather", { provider: "weather" });
  await integrate("calendar", { provider: "calendar" });
  const agents = {};
  for (const name of ["reader", "second", "suspended", "flood"]) agents[name] = await agentOf(server, name, { project: "shop" });
  agents.stranger = await agentOf(server, "stranger");
  return { url: server.url, adminKey: server.adminKey, project: "shop", variables, agents };
};

const suites = {
  reading: "what they read from Legate: methods, addresses, lanes, caching, suspension",
  failing: "each error's class and text, at its documented moment",
  models: "the variables they answer, as the documented dataclasses",
  skills: "skill environments, proxies and certificates",
  flooding: "an answer to whoever guesses without end",
};
/** Only the later one has them, or once is enough. */
const later = new Set(["skills", "flooding"]);

export default async function* judges({ server, python, folder }) {
  const early = await makePython(join(folder, "requirements-0.1.2.txt"));
  if (early.missing) throw new Error(early.missing);
  const work = mkdtempSync(join(tmpdir(), "legate-coze-"));
  const provider = await startProvider();
  try {
    const scene = join(work, "scene.json");
    writeFileSync(scene, JSON.stringify(await furnish(server, provider)));
    for (const [version, run] of [
      ["0.1.2", early.run],
      ["0.1.14", python.run],
    ])
      for (const [suite, about] of Object.entries(suites)) {
        if (later.has(suite) && version === "0.1.2") continue;
        const passed = await run(["-m", "unittest", "--quiet", suite], {
          cwd: folder,
          env: { LEGATE_SCENE: scene, LEGATE_WORK: work, PYTHONDONTWRITEBYTECODE: "1" },
          seconds: 180,
        });
        yield { name: `${version}: ${about}`, passed };
      }
  } finally {
    await provider.stop();
    rmSync(work, { recursive: true, force: true });
  }
}
