import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { operations } from "@legate/contract";
import { signRequest } from "../../packages/server/src/testing/acs3.ts";
import { startTestIssuer } from "../../packages/server/src/testing/openid.ts";
import { adminKey, type ServerProcess, serverProcess } from "../replicas/server-process.ts";
import { formsOf } from "../threats/canaries.ts";
import type { Proof } from "./requests.ts";
import type { Key, Signer } from "./signing.ts";

/** Operations whose answers exist to show a secret. */
const showing = new Set([
  "createAgentKey",
  "createOperator",
  "rotateOperatorKey",
  "createTenant",
  "getApiKey",
  "getOauth2Token",
  "createWorkloadToken",
  "readVariables",
  "createAccessKey",
  "getStsCredential",
  "alibaba.AssumeRoleForWorkloadIdentity",
  "alibaba.GetWorkloadAccessToken",
  "alibaba.GetWorkloadAccessTokenForJWT",
  "alibaba.GetWorkloadAccessTokenForUserId",
  "alibaba.GetResourceAPIKey",
  "alibaba.GetResourceOAuth2Token",
]);

/** Keys and tokens of the forms that Legate gives out. */
const ourKeys = /\bsk_[0-9a-f]{64}\b|\bop_[0-9a-f]{40,}\b|\b(?:aks|st)_[0-9a-f]{64}\b/;
const ourTokens = /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{40,}/;

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** How many agents and providers there are, at first, to be changed and deleted: see the names in `wild.ts`. */
const victims = 6;

/** In MiB: V8's heap and what hangs on it outside, and what of the process is resident. */
interface Weight {
  readonly held: number;
  readonly resident: number;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** A server at its most talkative, with everything in it that can be asked for, and secrets planted wherever one may stand. */
export const openScene = async (env: Readonly<Record<string, string | undefined>>) => {
  const secret = (what: string): string => `${what}>?/+&=%"~${randomBytes(16).toString("hex")}`;
  const masterKey = randomBytes(32);
  const issuer = await startTestIssuer();
  const m2mToken = secret("access token");
  const endpoint = createServer((request, response) => {
    request
      .resume()
      .once("end", () =>
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ access_token: m2mToken, token_type: "Bearer", expires_in: 3600 })),
      );
  });
  endpoint.listen(0, "127.0.0.1");
  await once(endpoint, "listening");
  const endpointUrl = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`;

  const planted = [secret("api key"), secret("client secret"), secret("another"), m2mToken, masterKey.toString("hex"), adminKey];
  const secrets = () => [userToken, ...planted.slice(0, 3)];
  const userToken = await issuer.sign({ sub: "alice", aud: "app" });
  const found = new RegExp(
    [...planted, userToken]
      .flatMap(formsOf)
      .map((form) => escaped(Buffer.from(form, "utf8").toString("latin1")))
      .join("|"),
  );

  const faults: string[] = [];
  let ready = false;
  let lines = 0;
  const carry = { stdout: "", stderr: "" };
  /** Waits for what `weigh-on-demand.ts` says. */
  let hearWeight: ((weight: Weight) => void) | undefined;
  const readLine = (line: string): void => {
    if (/^{"held":\d+,"resident":\d+}$/.test(line)) {
      hearWeight?.(JSON.parse(line) as Weight);
      return;
    }
    lines += 1;
    const bytes = Buffer.from(line, "utf8").toString("latin1");
    if (found.test(bytes) || ourKeys.test(line) || ourTokens.test(line)) faults.push(`a secret in the log: ${line.slice(0, 300)}`);
    if (!ready || line === "") return;
    try {
      const { level } = JSON.parse(line) as { level?: string };
      if (level === "error" || level === "fatal") faults.push(`an error in the log: ${line.slice(0, 1_500)}`);
    } catch {
      faults.push(`a line of the log that is none: ${line.slice(0, 300)}`);
    }
  };
  const server: ServerProcess = await serverProcess(
    {
      LEGATE_LOG_LEVEL: "trace",
      LEGATE_MASTER_KEY: masterKey.toString("hex"),
      NODE_OPTIONS: `--import=${new URL("../../packages/server/dist/testing/weigh-on-demand.js", import.meta.url).href}`,
      ...env,
    },
    (text, stream) => {
      const all = (carry[stream] + text).split("\n");
      carry[stream] = all.pop() ?? "";
      for (const line of all) readLine(line);
    },
  );
  await server.start();

  const call = async (
    method: string,
    path: string,
    key: string,
    body?: unknown,
  ): Promise<{ status: number; json: Record<string, unknown> }> => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, json: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
  };
  const make = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const { status, json } = await call("POST", path, adminKey, body);
    // What was not taken away is there already.
    if (status >= 300 && status !== 409) throw new Error(`${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  };

  const oauth2 = {
    type: "oauth2",
    clientId: "us",
    clientSecret: planted[1],
    scopes: ["read"],
    authorizationEndpoint: "http://127.0.0.1:9/authorize",
  };
  const accessKeys: Partial<Record<Signer, Key>> = {};
  const keyOf = (signer: Signer): Key => accessKeys[signer] ?? { accessKeyId: "ak_none", secret: "none" };
  /** Asks by a signed request of the Alibaba Cloud wire. */
  const ask = async (key: Key, action: string, version: string, form: Readonly<Record<string, string>> = {}): Promise<number> => {
    const { host } = new URL(server.url);
    const { host: _, ...headers } = { ...signRequest({ ...key, action, version, headers: { host }, body: form }).headers };
    const answer = await fetch(`${server.url}/`, { method: "POST", headers, body: new URLSearchParams(form).toString() });
    await answer.arrayBuffer();
    return answer.status;
  };
  const made = ({ accessKeyId, accessKeySecret, securityToken }: Record<string, unknown>): Key => ({
    accessKeyId: String(accessKeyId),
    secret: String(accessKeySecret),
    ...(typeof securityToken === "string" && { securityToken }),
  });

  const keys: Partial<Record<Proof, string>> = { admin: adminKey, "user-token": userToken };
  /** Makes what the requests stand on, again where they took it away. */
  const furnish = async (): Promise<void> => {
    await make("/v1/issuers", { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    await make("/v1/agents", { name: "keeper", issuer: "corp", allowedReturnUrls: ["https://app.test/back"] });
    await make("/v1/credential-providers", { name: "weather", type: "api_key", apiKey: planted[0] });
    await make("/v1/credential-providers", { name: "calendar", tokenEndpoint: "http://127.0.0.1:9/token", ...oauth2 });
    await make("/v1/credential-providers", { name: "machine", tokenEndpoint: endpointUrl, ...oauth2 });
    for (const name of ["weather", "calendar", "machine"]) await call("POST", `/v1/credential-providers/${name}/resume`, adminKey);
    // These are for the requests to change and delete.
    for (let at = 0; at < victims; at += 1) {
      await make("/v1/agents", { name: `victim-${at}` });
      await make("/v1/credential-providers", { name: `victim-${at}`, type: "api_key", apiKey: planted[2] });
    }
    const isAlive = async (proof: Proof, method: string, path: string, body?: unknown): Promise<boolean> => {
      const key = keys[proof];
      return key !== undefined && ![401, 403].includes((await call(method, path, key, body)).status);
    };
    if (!(await isAlive("agent", "POST", "/v1/workload-tokens", {}))) {
      const { json } = await call("GET", "/v1/agents/keeper/keys", adminKey);
      for (const { id } of (json["items"] ?? []) as readonly { readonly id: string }[])
        await call("DELETE", `/v1/agents/keeper/keys/${id}`, adminKey);
      keys.agent = String((await make("/v1/agents/keeper/keys", {}))["apiKey"]);
    }
    if (!(await isAlive("workload-token", "POST", "/v1/credentials/api-key", { provider: "weather" })))
      keys["workload-token"] = String((await make("/v1/workload-tokens", { agent: "keeper", userId: "bob" }))["token"]);
    const signs = async (signer: Signer): Promise<boolean> => (await ask(keyOf(signer), "GetCallerIdentity", "2015-04-01")) === 200;
    if (!(await signs("admin key")) || !(await signs("agent key"))) {
      const { json } = await call("GET", "/v1/access-keys?limit=500", adminKey);
      for (const { id } of (json["items"] ?? []) as readonly { readonly id: string }[])
        await call("DELETE", `/v1/access-keys/${id}`, adminKey);
      accessKeys["admin key"] = made(await make("/v1/access-keys", { rights: "admin" }));
      accessKeys["agent key"] = made(await make("/v1/access-keys", { rights: { agent: "keeper" } }));
    }
    if (!(await signs("temporary key"))) {
      await call("PATCH", "/v1/agents/keeper", adminKey, { roleArn: "acs:ram::9999999999999999:role/implicit" });
      const { status, json } = await call("POST", "/v1/credentials/sts", keys["workload-token"] ?? "", {});
      if (status !== 200) throw new Error(`/v1/credentials/sts: ${status} ${JSON.stringify(json)}`);
      accessKeys["temporary key"] = made(json);
    }
    if (!("createOperator" in operations)) return;
    for (const role of ["operator", "auditor"] as const)
      if (!(await isAlive(role, "GET", "/v1/agents?limit=1")))
        keys[role] = String((await make("/v1/operators", { name: `keeper-${role}-${randomBytes(3).toString("hex")}`, role }))["key"]);
  };
  await furnish();

  // What stands here now is not given to the requests to suspend or delete: they would soon be alone with it.
  const kept = new Set<string>();
  const seen = {
    id: ["con_0", "usr_0", "key_0"],
    cursor: ["x"],
    next: ["x"],
    session: ["urn:ietf:params:oauth:request_uri:none"],
  };
  const keepAll = async (): Promise<void> => {
    for (const path of [
      "/v1/agents",
      "/v1/issuers",
      "/v1/credential-providers",
      "/v1/operators",
      "/v1/tenants",
      "/v1/access-keys",
      "/v1/agents/keeper/keys",
      "/v1/users",
    ]) {
      const { json } = await call("GET", `${path}?limit=500`, adminKey);
      for (const item of (json["items"] ?? []) as readonly { readonly id?: string; readonly name?: string }[])
        if (item.id !== undefined && !item.name?.startsWith("victim")) kept.add(item.id);
    }
  };
  await keepAll();
  ready = true;

  const learn = (kind: keyof typeof seen, value: unknown): void => {
    if (typeof value !== "string" || kept.has(value) || seen[kind].includes(value)) return;
    seen[kind].push(value);
    if (seen[kind].length > 100) seen[kind].splice(3, 1);
  };

  return {
    server,
    faults,
    lines: () => lines,
    furnish: async (): Promise<void> => {
      await furnish();
      await keepAll();
    },
    fill: (kind: string, at: number): string => {
      if (kind === "endpoint") return endpointUrl;
      if (kind === "token") return keys["workload-token"] ?? "";
      const known = kind === "secret" ? secrets() : seen[kind as keyof typeof seen];
      return known[at % known.length] ?? "";
    },
    authorization: (proof: Proof): readonly string[] => {
      if (proof === "nothing") return [];
      if (proof === "unknown") return [`Bearer sk_${"0123456789abcdef".repeat(4)}`];
      if (proof === "nonsense") return ["Bearer \xff\t,;=", "Bearer", "Digest x"].slice(0, 1);
      if (proof === "twice") return [`Bearer ${adminKey}`, `Bearer ${keys.agent ?? ""}`];
      return [`Bearer ${keys[proof] ?? adminKey}`];
    },
    keyOf,
    /** Remembers what an answer names, so that later requests may name it too; answers what it should not have said. */
    hear: (operation: string | undefined, status: number, bytes: string, body: string): readonly string[] => {
      const shows = operation !== undefined && showing.has(operation) && status < 300;
      // Checkpoints are signed for all to see.
      const signs = operation === "exportAuditEvents" && status < 300;
      if (!shows && (found.test(bytes) || ourKeys.test(bytes) || (!signs && ourTokens.test(bytes))))
        return [`a secret in an answer of ${status}`];
      if (status >= 300 || signs || !body.startsWith("{")) return [];
      const answer = JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as Record<string, unknown>;
      learn("cursor", answer["nextCursor"]);
      learn("session", answer["sessionUri"]);
      learn("next", answer["NextToken"] ?? answer["Marker"]);
      learn("session", answer["SessionURI"]);
      for (const item of [answer, ...(Array.isArray(answer["items"]) ? (answer["items"] as unknown[]) : [])])
        if (isObject(item)) learn("id", item["id"]);
      return [];
    },
    /** What the server weighs once all garbage of it is collected. How long V8 leaves garbage lying is its own affair. */
    weigh: async (): Promise<Weight> => {
      const pid = server.pid();
      if (pid === undefined) throw new Error("The server has ended.");
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error("The server does not say what it holds.")), 30_000);
        hearWeight = (weight) => {
          clearTimeout(late);
          resolve(weight);
        };
        process.kill(pid, "SIGUSR2");
      });
    },
    /** Whether the server does all that one comes to it for, with what no request has changed. */
    works: async (): Promise<readonly number[]> => {
      const name = `after-${randomBytes(4).toString("hex")}`;
      const agent = await call("POST", "/v1/agents", adminKey, { name });
      const key = await call("POST", `/v1/agents/${name}/keys`, adminKey, {});
      const token = await call("POST", "/v1/workload-tokens", String(key.json["apiKey"]), {});
      const bearer = String(token.json["token"]);
      await make("/v1/credential-providers", { name, type: "api_key", apiKey: planted[0] });
      const machine = `${name}-machine`;
      await make("/v1/credential-providers", { name: machine, tokenEndpoint: endpointUrl, ...oauth2 });
      const read = await call("POST", "/v1/credentials/api-key", bearer, { provider: name });
      const m2m = await call("POST", "/v1/credentials/oauth2", bearer, { provider: machine, flow: "M2M" });
      const pair = await call("POST", "/v1/access-keys", adminKey, { rights: { agent: name } });
      const form = { WorkloadAccessToken: bearer, ResourceCredentialProviderName: name };
      const signed = await ask(made(pair.json), "GetResourceAPIKey", "2025-11-27", form);
      const gone = await call("DELETE", `/v1/agents/${name}`, adminKey);
      return [...[agent, key, token, read, m2m, pair].map(({ status }) => status), signed, gone.status];
    },
    close: async (): Promise<void> => {
      await server.stop();
      endpoint.closeAllConnections();
      endpoint.close();
      await issuer.stop();
    },
  };
};

export type Scene = Awaited<ReturnType<typeof openScene>>;
