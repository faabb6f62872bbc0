// Alibaba Cloud's original clients, unmodified: `agent-identity-python-sdk`, `agent-identity-cli`, and the clients generated from the two interfaces.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { selfSigned } from "../../packages/server/dist/testing/certificate.js";
import { startProvider } from "../../packages/server/dist/testing/provider.js";
import { browse, noChromium } from "./browse.mjs";
import { countOurs } from "./ours.mjs";
import { startWays } from "./proxy.mjs";
import { threeWays } from "./three-ways.mjs";

/** The provider at which people log in stands on loopback. */
export const settings = { LEGATE_EGRESS_ALLOW: "127.0.0.0/8" };

const region = "cn-beijing";
const login = { client: "sample-app", redirect: "http://127.0.0.1:9/signed-in" };

/** Where suites register clients at the provider, and find as many issuers as they like: `/issuers/{anything}` is one. */
const startDesk = async (provider) => {
  const serve = async (request, response) => {
    const answer = (body) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    let text = "";
    for await (const chunk of request) text += chunk;
    const [, issuer] = /^(\/issuers\/[\w-]+)\/\.well-known\/openid-configuration$/.exec(request.url) ?? [];
    if (issuer !== undefined) {
      const url = `http://${request.headers.host}${issuer}`;
      answer({ issuer: url, jwks_uri: `${url}/jwks`, authorization_endpoint: `${url}/auth`, token_endpoint: `${url}/token` });
    } else if (request.url.endsWith("/jwks")) answer({ keys: [] });
    else if (request.url === "/clients") {
      provider.addClient(JSON.parse(text));
      answer({});
    } else if (request.url.startsWith("/out-of-order/")) {
      provider.breakTokens(Number(request.url.slice("/out-of-order/".length)) || undefined);
      answer({});
    } else response.writeHead(404).end();
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
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

/** The variables of the original's default chain; nothing else of this machine is asked for a credential. */
const signingWith = ({ accessKeyId, accessKeySecret }) => ({
  ALIBABA_CLOUD_ACCESS_KEY_ID: accessKeyId,
  ALIBABA_CLOUD_ACCESS_KEY_SECRET: accessKeySecret,
  ALIBABA_CLOUD_ECS_METADATA_DISABLED: "true",
  ALIBABA_CLOUD_CLI_PROFILE_DISABLED: "true",
});

const useSts = (value) => ({ AGENT_IDENTITY_USE_STS: String(value) });

/** Each suite, how it is run, and what that shows. `{ plain, secure, proxy }` are the ways to the server. */
const runs = [
  ["control_plane", "control plane: five operations of each noun by the generated client"],
  ["policies", "control plane: policy sets, policies, gateways by the generated client"],
  ["methods", "every method of IdentityClient, with STS", () => useSts(true)],
  ["methods", "every method of IdentityClient, without STS", () => useSts(false)],
  ["agents_own_key", "a key bound to one agent, and a tenant's own address", () => ({}), "bound"],
  ["decorated", "every decorator, rebound to plain HTTP, with STS", ({ plain }) => ({ ...useSts(true), LEGATE_WAY: plain })],
  ["decorated", "every decorator, rebound to plain HTTP, without STS", ({ plain }) => ({ ...useSts(false), LEGATE_WAY: plain })],
  [
    "decorated",
    "every decorator, rebound to HTTPS with a test's authority",
    ({ secure, ca }) => ({ LEGATE_WAY: secure, SSL_CERT_FILE: ca }),
  ],
  ["decorated", "every decorator as it is, through a proxy", ({ behindProxy }) => ({ ...behindProxy, LEGATE_WAY: "" })],
  ["federation", "a user's consent, both bindings, with STS", () => useSts(true)],
  ["federation", "a user's consent, both bindings, without STS", () => useSts(false)],
  ["sample", "the sample, end to end, with session binding"],
  ["commands", "agent-identity-cli whole, through a proxy", ({ behindProxy }) => ({ LEGATE_BEHIND_PROXY: JSON.stringify(behindProxy) })],
  ["refusals", "what is refused, as the original's exceptions tell it"],
];
/** Last, for it is this machine's address that is limited afterwards. */
const last = ["flooding", "an answer to whoever guesses without end"];

/** Puts into Legate what the suites find there. */
const furnish = async ({ ask }, provider) => {
  await ask("POST", "/v1/issuers", { name: "people", discoveryUrl: provider.discoveryUrl, audiences: [login.client] });
  provider.addClient({
    client_id: login.client,
    redirect_uris: [login.redirect, "http://127.0.0.1:9/elsewhere"],
    grant_types: ["authorization_code"],
    token_endpoint_auth_method: "none",
  });
  const { items } = await ask("GET", "/v1/tenants");
  const { accountId } = items.find(({ name }) => name === "default");
  const keys = { admin: await ask("POST", "/v1/access-keys", { description: "the original's" }) };
  await ask("POST", "/v1/agents", {
    name: "bound",
    roleArn: "acs:ram::9999999999999999:role/bound",
    allowedReturnUrls: ["http://127.0.0.1:9/back"],
  });
  keys.bound = await ask("POST", "/v1/access-keys", { rights: { agent: "bound" } });
  return { account: accountId, keys };
};

/** What is told, and whether the judge was content; a judge that throws tells why. */
const judged = async (name, judge) => {
  try {
    return { name, passed: (await judge()) !== false };
  } catch (error) {
    console.error(error);
    return { name, passed: false };
  }
};

export default async function* judges({ server, python, folder }) {
  const work = mkdtempSync(join(tmpdir(), "legate-alibaba-"));
  const provider = await startProvider({ accessTokenSeconds: 600 });
  const desk = await startDesk(provider);
  const certificate = selfSigned("127.0.0.1", "localhost", `*.${region}.aliyuncs.com`, "ram.aliyuncs.com", "sts.aliyuncs.com");
  const ways = await startWays(server.url, certificate);
  try {
    const ca = join(work, "authority.pem");
    const trusted = join(work, "trusted");
    writeFileSync(ca, certificate.cert);
    mkdirSync(trusted);
    if (!(await python.run([join(folder, "trust.py"), ca, trusted]))) throw new Error("The test's authority could not be trusted.");
    const behindProxy = { HTTPS_PROXY: ways.proxy, https_proxy: ways.proxy, PYTHONPATH: [trusted, folder].join(delimiter) };

    const { account, keys } = await furnish(server, provider);
    const scene = {
      url: server.url,
      adminKey: server.adminKey,
      account,
      keys,
      plain: ways.plain,
      desk: desk.url,
      provider: provider.issuer,
      discoveryUrl: provider.discoveryUrl,
      loginClient: login.client,
      loginRedirect: login.redirect,
    };
    const write = (name, more) => {
      const path = join(work, name);
      writeFileSync(path, JSON.stringify({ ...scene, ...more }));
      return path;
    };
    const env = {
      HTTP_PROXY: "",
      HTTPS_PROXY: "",
      http_proxy: "",
      https_proxy: "",
      HOME: work,
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: "1",
      LEGATE_SCENE: write("scene.json"),
      AGENT_IDENTITY_REGION_ID: region,
      ...signingWith(keys.admin),
    };
    // The original leaves a file where it stands.
    const elsewhere = (name) => mkdtempSync(join(work, `${name}-`));
    const suite = ([module, name, more = () => ({}), key = "admin"]) =>
      judged(name, () =>
        python.run(["-m", "unittest", "--quiet", module], {
          cwd: elsewhere(module),
          env: { ...env, ...signingWith(keys[key]), ...more({ ...ways, ca, behindProxy }) },
          seconds: 240,
        }),
      );
    // While one is worked at: LEGATE_SUITES=methods,browse.
    const asked = process.env.LEGATE_SUITES?.split(",");
    const isAsked = (module) => asked?.includes(module) ?? true;

    for (const run of runs.filter(([module]) => isAsked(module))) yield suite(run);
    if (isAsked("ours"))
      yield judged("our own client makes one request at most once it is warm, where the original makes two", () =>
        countOurs({ server, provider, ways, key: keys.admin, desk }),
      );
    if (isAsked("three-ways"))
      yield judged("one agent, three ways: made by the command line, listed by our own wire, used by Coze's client; suspended once", () =>
        threeWays({ server, python, folder, work, env, behindProxy }),
      );
    if (isAsked("browse") && noChromium) console.log("Skipped: the walk of a consent in a browser: there is no Chromium on this machine.");
    else if (isAsked("browse")) {
      const runApplication = (port, application) =>
        python.run([join(folder, "application.py"), String(port)], {
          cwd: elsewhere("application"),
          env: { ...env, LEGATE_SCENE: write("application.json", { application }) },
          seconds: 240,
        });
      yield judged("the whole walk of a consent, people in Chromium: completed once, by whom it was begun, in their browser", () =>
        browse({ server, provider, login, runApplication }),
      );
    }
    if (isAsked(last[0])) yield suite(last);
  } finally {
    await ways.stop();
    await desk.stop();
    await provider.stop();
    rmSync(work, { recursive: true, force: true });
  }
}
