import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { clientPair } from "../packages/server/src/access/clients/clients-for-tests.ts";
import type { StoreAddress } from "../packages/server/src/ground/db/index.ts";
import { signRequest } from "../packages/server/src/testing/acs3.ts";
import { startTestIssuer } from "../packages/server/src/testing/openid.ts";
import { startProvider } from "../packages/server/src/testing/provider.ts";
import { eachStore } from "../packages/server/src/testing/stores.ts";
import { formsOf, makeCanaries } from "./threats/canaries.ts";
import { recordedWire } from "./threats/recorded-wire.ts";
import { runServer } from "./threats/running-server.ts";
import { startTokenEndpoint } from "./threats/token-endpoint.ts";

// Seen to fail, each break by itself and undone again: the audit row of a read holding its token; sealed texts with the plain one beside; the log of a
// request with its headers, and with its URL; the URL as a span's attribute, and as a metric's label; a provider's error_description, its error
// code, and either in base64, passed on unread; the name in a 404 repeated; the application's state stored as it came.

/** Letters that base64, percent-encoding, JSON and forms all write in ways of their own. */
const secret = (what: string): string => `${what}>?/+&=%"~${randomBytes(16).toString("hex")}`;
const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** Every byte of an SQLite store, or every row of every table of a PostgreSQL one. */
const dump = async (store: StoreAddress): Promise<Buffer> => {
  if (store.engine === "sqlite") {
    const folder = dirname(store.path);
    return Buffer.concat(readdirSync(folder).map((file) => readFileSync(join(folder, file))));
  }
  const client = new pg.Client({ connectionString: store.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public'");
    const texts: string[] = [];
    for (const { name } of rows) {
      const table = await client.query<{ row: string }>(`select to_jsonb(t)::text as row from "${name}" t`);
      texts.push(...table.rows.map(({ row }) => row));
    }
    return Buffer.from(texts.join("\n"));
  } finally {
    await client.end();
  }
};

/** Bytes that are no HTTP, or too much of it, and what is answered to them. */
const raw = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.setEncoding("utf8").on("data", (more: string) => {
      text += more;
    });
    socket.on("close", () => resolve(text)).on("error", reject);
  });

/** A request whose body is announced and never sent. */
const announced = (url: string, path: string, headers: Record<string, string | number>): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { method: "POST", headers }, (answer) => {
      let text = JSON.stringify(answer.headers);
      answer
        .setEncoding("utf8")
        .on("data", (more: string) => {
          text += more;
        })
        .on("end", () => {
          asked.destroy();
          resolve(text);
        });
    });
    asked.on("error", reject).flushHeaders();
  });

describe("a search for secrets", () => {
  test("finds one however it is written", () => {
    const canaries = makeCanaries();
    const lost = canaries.watch("lost", secret("needle"));
    for (const form of [
      lost,
      JSON.stringify({ lost }),
      encodeURIComponent(lost),
      String(new URLSearchParams({ lost })),
      Buffer.from(lost).toString("hex"),
      ...["", "i", "id", "id:"].flatMap((before) =>
        ["", "!", "!!"].flatMap((after) =>
          (["base64", "base64url"] as const).map((form) => Buffer.from(before + lost + after).toString(form)),
        ),
      ),
    ])
      expect(canaries.foundIn(`some ${form} hay`)).toEqual(["lost 1"]);
    expect(canaries.foundIn("hay")).toEqual([]);
    expect(formsOf(lost).every((form) => form.length >= 16)).toBe(true);
  });
});

eachStore("no secret is in any log, error, audit row, metric, span, page or stored byte", (fresh) => {
  const ends: (() => unknown)[] = [];
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  test("after everything a server does with secrets, and everything that can go wrong with them", { timeout: 120_000 }, async () => {
    const canaries = makeCanaries();
    const { watch } = canaries;
    const store = await fresh();
    const upstream = await startProvider({ accessTokenSeconds: 2 });
    const endpoint = await startTokenEndpoint(canaries);
    const loginEndpoint = await startTokenEndpoint(canaries);
    const idp = await startTestIssuer({
      metadata: { token_endpoint: loginEndpoint.tokenUrl, id_token_signing_alg_values_supported: ["ES256"] },
    });
    endpoint.passOnTo(`${upstream.url}/token`);
    for (const { stop } of [endpoint, loginEndpoint, idp]) ends.push(stop);
    ends.push(() => upstream.stop());

    const admin = watch("admin key", `op_${randomBytes(32).toString("hex")}`);
    const masterKey = randomBytes(32);
    const databaseUrl = () => {
      const url = new URL(store.engine === "postgres" ? store.url : "postgres://legate@nowhere/legate");
      url.password = watch("database password", `pw${randomBytes(16).toString("hex")}`);
      return url.href;
    };
    const env = {
      ...(store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: databaseUrl() }),
      LEGATE_ADMIN_KEY: admin,
      LEGATE_MASTER_KEY: watch("master key", masterKey.toString("hex")),
      LEGATE_EGRESS_ALLOW: "127.0.0.0/8",
      LEGATE_LOG_LEVEL: "trace",
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url,
    };
    watch("master key in bytes", masterKey.toString("latin1"));
    const server = await runServer(env);
    const wire = recordedWire(server.url);
    const { call } = wire;
    const back = "https://app.test/back?a=1";

    // Everything that is made with a secret.
    const loginSecret = watch("login client secret", secret("login"));
    const issuer = await call("POST", "/v1/issuers", {
      token: admin,
      json: { name: "idp", discoveryUrl: idp.url, audiences: ["app"], login: { clientId: "legate", clientSecret: loginSecret } },
    });
    expect(issuer.status, issuer.said).toBe(201);
    const agents = { scout: { binding: "none" }, herald: { allowedReturnUrls: [back] }, usher: { binding: "login" } };
    for (const [name, fields] of Object.entries(agents)) {
      const made = await call("POST", "/v1/agents", { token: admin, json: { name, issuer: "idp", ...fields } });
      expect(made.status, made.said).toBe(201);
    }
    const keyOf = async (agent: string) => {
      const made = await call("POST", `/v1/agents/${agent}/keys`, { token: admin, json: {}, shows: [`key of ${agent}`] });
      return watch(`key of ${agent}`, String(made.json["apiKey"]));
    };
    const keys = { scout: await keyOf("scout"), herald: await keyOf("herald"), usher: await keyOf("usher") };
    const kept = watch("kept api key", secret("kept"));
    const replaced = watch("replaced api key", secret("replaced"));
    for (const [method, path, json] of [
      ["POST", "/v1/credential-providers", { name: "weather", type: "api_key", apiKey: replaced }],
      ["PATCH", "/v1/credential-providers/weather", { apiKey: kept }],
    ] as const)
      expect((await call(method, path, { token: admin, json })).status).toBeLessThan(300);
    const provide = async (name: string, auth: string, clientSecret: string, fields: object = {}) => {
      const made = await call("POST", "/v1/credential-providers", {
        token: admin,
        json: {
          name,
          type: "oauth2",
          authorizationEndpoint: `${upstream.url}/auth`,
          tokenEndpoint: endpoint.tokenUrl,
          clientId: name,
          clientSecret: watch(`client secret of ${name}`, clientSecret),
          clientAuth: auth,
          scopes: ["openid", "offline_access"],
          ...fields,
        },
      });
      expect(made.status, made.said).toBe(201);
      upstream.addClient({
        client_id: name,
        client_secret: clientSecret,
        token_endpoint_auth_method: auth as "client_secret_post",
        redirect_uris: [String(made.json["callbackUrl"])],
        grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      });
      return clientSecret;
    };
    // Basic is escaped by forms, and oidc-provider does not take every way of it back: the odd letters go by the body.
    await provide("post", "client_secret_post", secret("post"));
    await provide("basic", "client_secret_basic", randomBytes(24).toString("hex"));

    // Workload tokens, three ways.
    const userToken = watch("user token", await idp.sign({ sub: "alice", aud: "app" }));
    const workload = async (agent: keyof typeof keys, whom: object) => {
      const made = await call("POST", "/v1/workload-tokens", { token: keys[agent], json: whom, shows: ["workload token"] });
      expect(made.status, made.said).toBe(200);
      return watch("workload token", String(made.json["token"]));
    };
    const alone = await workload("scout", {});
    const scout = await workload("scout", { userId: "bob" });
    const herald = await workload("herald", { userId: "bob" });
    const usher = await workload("usher", { userToken });

    // Credentials.
    const read = await call("POST", "/v1/credentials/api-key", { token: alone, json: { provider: "weather" }, shows: ["kept api key"] });
    expect(read.json).toEqual({ apiKey: kept });
    const oauth2 = (token: string, json: object) => call("POST", "/v1/credentials/oauth2", { token, json, shows: ["access_token"] });
    for (const provider of ["post", "basic"])
      expect((await oauth2(alone, { provider, flow: "M2M", scopes: [] })).status, provider).toBe(200);

    /** Opens a consent as a browser does, and answers where the browser is sent, and its cookie. */
    const open = async (path: string) => {
      const visit = await call("GET", path, { shows: ["state", "cookie", "form token"] });
      const [cookie = ""] = visit.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
      watch("cookie", cookie.split("=")[1] ?? "");
      const to = visit.headers.get("location") ?? "";
      if (to !== "") watch("state", new URL(to).searchParams.get("state") ?? "");
      return { visit, to, cookie };
    };
    const comeBack = (url: string, cookie: string) => {
      const { pathname, search, searchParams } = new URL(url);
      const code = searchParams.get("code");
      if (code !== null) watch("code", code);
      return call("GET", pathname + search, { headers: { cookie }, shows: ["custom state", "proof", "state", "cookie"] });
    };
    const begin = async (token: string, json: object) => {
      const begun = await oauth2(token, json);
      expect(begun.status, begun.said).toBe(202);
      return { sessionUri: String(begun.json["sessionUri"]), path: new URL(String(begun.json["authorizationUrl"])).pathname };
    };

    // A consent of binding none, and a refresh.
    const first = await begin(scout, { provider: "post" });
    const went = await open(first.path);
    expect((await comeBack(await upstream.walk(went.to, "bob"), went.cookie)).status).toBe(200);
    expect((await oauth2(scout, { provider: "post", sessionUri: first.sessionUri })).status).toBe(200);
    await wait(2_100);
    expect((await oauth2(scout, { provider: "post" })).status).toBe(200);
    expect(upstream.tokenCalls()).toMatchObject({ authorization_code: 1, refresh_token: 1, client_credentials: 2 });

    // One of binding application.
    const customState = () => watch("custom state", secret("state of mine"));
    const second = await begin(herald, { provider: "basic", returnUrl: back, customState: customState() });
    const wentToo = await open(second.path);
    const returned = await comeBack(await upstream.walk(wentToo.to, "bob"), wentToo.cookie);
    expect(returned.headers.get("location")).toContain("https://app.test/back?a=1&session_uri=");
    const sessionUri = new URL(returned.headers.get("location") ?? "").searchParams.get("session_uri") ?? "";
    expect(sessionUri).not.toBe(second.sessionUri);
    watch("proof", sessionUri.slice(second.sessionUri.length));
    const completed = await call("POST", "/v1/authorizations/complete", { token: keys.herald, json: { sessionUri, userId: "bob" } });
    expect(completed.status, completed.said).toBe(200);

    // One that is left with its code, one that is left open, and one that is denied.
    const third = await begin(herald, { provider: "post", returnUrl: back, customState: customState() });
    const wentThird = await open(third.path);
    await comeBack(await upstream.walk(wentThird.to, "bob"), wentThird.cookie);
    const fourth = await begin(herald, { provider: "post", returnUrl: back, customState: customState(), scopes: ["openid"] });
    await open(fourth.path);
    const fifth = await begin(herald, { provider: "post", returnUrl: back, customState: customState(), scopes: [] });
    const wentFifth = await open(fifth.path);
    await comeBack(await upstream.walk(wentFifth.to, "bob", "deny"), wentFifth.cookie);
    expect((await oauth2(herald, { provider: "post", sessionUri: fifth.sessionUri })).status).toBe(403);

    // One of binding login: our page, the user's issuer, the provider.
    const sixth = await begin(usher, { provider: "post" });
    const page = await open(sixth.path);
    const formToken = watch("form token", /name="formToken" value="([^"]+)"/.exec(page.visit.said)?.[1] ?? "");
    const allowed = await call("POST", sixth.path, {
      headers: { cookie: page.cookie, "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ formToken, decision: "allow" }),
      shows: ["state", "nonce"],
    });
    const login = new URL(allowed.headers.get("refresh")?.replace("0; url=", "") ?? "").searchParams;
    const nonce = watch("nonce", login.get("nonce") ?? "");
    const idToken = await idp.sign({ sub: "alice", aud: "legate", nonce });
    const given = { access_token: watch("access token of the login", secret("login-at")), id_token: watch("id token", idToken) };
    loginEndpoint.bend(() => ({ status: 200, type: "application/json", body: JSON.stringify({ ...given, token_type: "Bearer" }) }));
    const answered = new URLSearchParams({ code: secret("login-code"), state: watch("state", login.get("state") ?? "") });
    const loggedIn = await comeBack(`${server.url}/login/callback?${String(answered)}`, page.cookie);
    expect(loggedIn.status, loggedIn.said).toBe(303);
    const onward = loggedIn.headers.get("location") ?? "";
    watch("state", new URL(onward).searchParams.get("state") ?? "");
    expect((await comeBack(await upstream.walk(onward, "alice"), page.cookie)).status).toBe(200);

    // The OAuth server: an agent as its client, with a secret and with a key, and all that can go wrong with them.
    const asForm = { "content-type": "application/x-www-form-urlencoded" };
    const files = { name: "files", identifier: "https://files.test/", scopes: [{ name: "read" }] };
    expect((await call("POST", "/v1/resources", { token: admin, json: files })).status).toBe(201);
    const client = await call("POST", "/v1/agents/usher/client-secrets", { token: admin, json: {}, shows: ["oauth client secret"] });
    const clientSecret = watch("oauth client secret", String(client.json["clientSecret"]));
    const clientId = String(client.json["clientId"]);
    const pair = clientPair();
    const privateJwk = pair.privateKey.export({ format: "jwk" });
    watch("private key of a client", privateJwk.d ?? "");
    expect((await call("POST", "/v1/agents/usher/client-keys", { token: admin, json: { jwk: privateJwk } })).status).toBe(400);
    expect((await call("POST", "/v1/agents/usher/client-keys", { token: admin, json: { jwk: pair.jwk } })).status).toBe(201);
    const assert = async (aud: string) => watch("client assertion", await pair.assert(clientId, Date.now(), { aud }));
    const asks = (path: string, form: Readonly<Record<string, string>>, authorization?: string) =>
      call("POST", `/oauth2/${path}`, {
        headers: { ...asForm, ...(authorization !== undefined && { authorization }) },
        body: new URLSearchParams(form),
        shows: ["oauth access token"],
      });
    const basically = (secretOfIt: string) => `Basic ${Buffer.from(`${clientId}:${secretOfIt}`).toString("base64")}`;
    const assertion = { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" };
    const grant = { grant_type: "client_credentials" };
    const good = await assert(server.url);
    for (const [status, form, authorization] of [
      [200, {}, basically(clientSecret)],
      [200, { client_id: clientId, client_secret: clientSecret }, undefined],
      [200, { ...assertion, client_assertion: good }, undefined],
      [401, { ...assertion, client_assertion: good }, undefined],
      [401, { ...assertion, client_assertion: await assert(`${server.url}/oauth2/token`) }, undefined],
      [401, { client_id: clientId, client_secret: `${clientSecret}x` }, undefined],
      [401, {}, basically(`${clientSecret.slice(0, -1)}x`)],
      [401, {}, `Bearer ${clientSecret}`],
      [400, { client_id: clientId, client_secret: clientSecret }, basically(clientSecret)],
      [401, { client_id: clientSecret, client_secret: clientId }, undefined],
      [400, { scope: clientSecret }, basically(clientSecret)],
      [400, { resource: clientSecret }, basically(clientSecret)],
    ] as const) {
      const answer = await asks("token", { ...grant, ...form }, authorization);
      expect([answer.status, JSON.stringify(form).slice(0, 60)], answer.said).toEqual([status, JSON.stringify(form).slice(0, 60)]);
      if (status !== 200) continue;
      const token = watch("oauth access token", String(answer.json["access_token"]));
      for (const path of ["introspect", "revoke"]) expect((await asks(path, { token }, basically(clientSecret))).status).toBe(200);
    }
    await call("GET", `/oauth2/authorize?client_id=${clientId}&client_secret=${clientSecret}&state=${clientSecret}`);

    // A project: what its agents read, on the native wire and on that of Coze, and keys and tokens where they do not belong.
    const variable = watch("variable", secret("variable"));
    const ofFile = watch("variable of a file", secret("file"));
    const credential = watch("credential of an integration", secret("integration"));
    const ofProject = (method: string, path: string, json?: object) =>
      call(method, `/v1/projects/default/${path}`, { token: admin, ...(json && { json }) });
    for (const lane of [undefined, "ppe_1"])
      expect((await ofProject("PUT", "variables/SECRET", { value: variable, lane })).status).toBe(200);
    expect((await ofProject("PUT", "integrations/maps", { credential })).status).toBe(200);
    for (const [status, text] of [
      [200, `FILE='${ofFile}'`],
      [400, `FILE='${ofFile}`],
      [400, ofFile],
      [400, `${ofFile}=x`],
    ] as const)
      expect((await ofProject("POST", "variables/import", { text })).status).toBe(status);
    for (const path of ["variables", "variables/SECRET", "variables?lane=ppe_1", "integrations", "integrations/maps"])
      expect((await ofProject("GET", path)).status).toBe(200);
    const asCoze = (form: Readonly<Record<string, string>>) =>
      call("POST", "/coze/token", { headers: asForm, body: new URLSearchParams(form), shows: ["coze token"] });
    const exchange = {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    };
    const tokenIn = (answer: { readonly json: Readonly<Record<string, unknown>> }) =>
      watch("coze token", String(answer.json["access_token"]));
    const cozeId = tokenIn(await asCoze({ ...grant, client_id: clientId, client_secret: clientSecret }));
    const cozeAccess = tokenIn(await asCoze({ ...exchange, client_id: clientId, subject_token: cozeId }));
    const asReader = (method: string, path: string, json?: object, lane = "ppe_1") =>
      call(method, `/coze/${path}`, {
        token: path === "skill-envs" ? keys.usher : cozeAccess,
        headers: { "x-tt-env": lane, ...(json && { "content-type": "application/json" }) },
        ...(json && { body: JSON.stringify(json) }),
        shows: ["variable", "variable of a file", "credential of an integration"],
      });
    for (const answer of [
      await asReader("GET", "secret/env"),
      await asReader("GET", "secret/env", undefined, "unknown"),
      await asReader("POST", "secret", { integration_name: "maps" }),
      await asReader("POST", "skill-envs", { agent_id: 1, skill_id: 1 }),
    ])
      expect(answer.status, answer.said).toBe(200);
    for (const known of [clientSecret, cozeId, cozeAccess, keys.usher]) {
      for (const form of [
        { grant_type: known, client_id: known, client_secret: known },
        { ...grant, client_id: known, client_secret: clientId },
        { ...exchange, client_id: known, subject_token: known },
        { ...exchange, client_id: clientId, subject_token: known, subject_token_type: known, requested_token_type: known },
      ])
        await asCoze(form);
      await asReader("GET", `secret/env?project_id=${known}&${known}=1`, undefined, known);
      await asReader("POST", "secret/integration", { integration_name: known.slice(0, 128), [known]: known }, known);
      await asReader("POST", "skill-envs", { agent_id: known, skill_id: known, identity_ticket: known }, known);
      await call("GET", `/coze/${known}?access_token=${known}`);
      if (known !== cozeAccess) expect((await call("GET", "/coze/secret/env", { token: known })).status).toBe(401);
    }

    // Signed requests, with a lasting key and a temporary one, and secrets in each place where none belongs.
    const lasting = await call("POST", "/v1/access-keys", { token: admin, json: { rights: { agent: "scout" } }, shows: ["access key"] });
    expect(
      (await call("PATCH", "/v1/agents/scout", { token: admin, json: { roleArn: "acs:ram::9999999999999999:role/reader" } })).status,
    ).toBe(200);
    const short = await call("POST", "/v1/credentials/sts", { token: alone, json: {}, shows: ["access key", "security token"] });
    expect([lasting.status, short.status], short.said).toEqual([201, 200]);
    const keyIn = ({ json: made }: typeof short) => ({
      accessKeyId: String(made["accessKeyId"]),
      secret: watch("access key", String(made["accessKeySecret"])),
      ...(typeof made["securityToken"] === "string" && { securityToken: watch("security token", made["securityToken"]) }),
    });
    const accessKeys = [keyIn(lasting), keyIn(short)] as const;
    const signed = (
      key: Parameters<typeof signRequest>[0],
      headers: Readonly<Record<string, string>> = {},
      shown: readonly string[] = [],
    ) => {
      const { query, body, ...made } = signRequest({
        version: "2025-11-27",
        action: "GetResourceAPIKey",
        ...key,
        headers: { host: new URL(server.url).host },
      });
      const { host: _, ...sent } = { ...made.headers, ...headers };
      return call("POST", `/?${query}`, { headers: sent, body: String(body), shows: shown });
    };
    // The first read of the key was above, the next are below.
    let served = 3;
    const apiKeyOf = { ResourceCredentialProviderName: "weather", WorkloadAccessToken: alone };
    for (const key of accessKeys) {
      const answer = await signed({ ...key, body: apiKeyOf }, {}, ["kept api key"]);
      expect([answer.status, answer.json["APIKey"]], answer.said).toEqual([200, kept]);
      for (const known of [key.secret, key.securityToken ?? clientSecret, alone, admin]) {
        for (const wrong of [
          { accessKeyId: known },
          { secret: known },
          { securityToken: known },
          { action: known },
          { version: known },
          { nonce: known },
          { query: { [known.slice(0, 60)]: known } },
          { body: { ...apiKeyOf, WorkloadAccessToken: known } },
          { body: { ...apiKeyOf, ResourceCredentialProviderName: known } },
          { body: { ...apiKeyOf, [known.slice(0, 60)]: known } },
          { body: known },
        ]) {
          const refused = await signed({ ...key, body: apiKeyOf, ...wrong }, {}, ["kept api key"]);
          expect([200, 400, 401, 403, 404], refused.said).toContain(refused.status);
          if (refused.status === 200) served += 1;
        }
        for (const name of ["authorization", "x-acs-date", "x-acs-content-sha256", "x-acs-other"])
          expect((await signed({ ...key, body: apiKeyOf }, { [name]: known })).status).toBe(401);
      }
    }

    // A provider that misbehaves, at every grant that is left: an agent's own, a refresh, a code.
    const its = watch("token that came wrongly", secret("wrong"));
    const seventh = async (n: number) => {
      const begun = await begin(scout, { provider: "post", scopes: ["openid", "offline_access", `x${n}`], forceAuthentication: true });
      const visited = await open(begun.path);
      const state = new URL(visited.to).searchParams.get("state") ?? "";
      const redirect = new URL(new URL(visited.to).searchParams.get("redirect_uri") ?? "").pathname;
      await comeBack(`${server.url}${redirect}?${String(new URLSearchParams({ code: secret("code"), state }))}`, visited.cookie);
      await oauth2(scout, { provider: "post", sessionUri: begun.sessionUri });
    };
    const json = (status: number, body: unknown) => ({ status, type: "application/json", body: JSON.stringify(body) });
    const echo = (text: string) => json(400, { error: "invalid_client", error_description: `I was sent ${text}` });
    const everything = (form: URLSearchParams) => [...form.values()].filter((value) => value.length > 20);
    const misbehaviours: readonly Parameters<typeof endpoint.bend>[0][] = [
      ({ form, authorization }) => echo(form.get("client_secret") ?? authorization),
      ({ form }) => echo(encodeURIComponent(form.get("client_secret") ?? "")),
      ({ form }) => echo(everything(form).join(" ")),
      ({ form, authorization }) => echo(Buffer.from(form.get("client_secret") ?? authorization).toString("base64")),
      ({ form, authorization }) =>
        echo(Buffer.from(authorization.replace("Basic ", ""), "base64").toString() || (form.get("code_verifier") ?? "")),
      ({ form, authorization }) => json(400, { error: form.get("code") ?? form.get("refresh_token") ?? authorization }),
      ({ form, authorization }) => json(401, { error: (form.get("client_secret") ?? authorization).replaceAll(/["\\]/g, "") }),
      () => ({ status: 200, type: "text/html", body: `<h1>Welcome</h1><input value="${its}">` }),
      () => ({ status: 500, type: "text/html", body: `<pre>at token ${its}</pre>` }),
      () => ({ status: 200, type: "application/json", body: `{"access_token":"${its.replaceAll('"', "")}` }),
      () => json(200, { access_token: { value: its } }),
      () => json(200, { access_token: its, token_type: "mac" }),
      () => ({ status: 302, type: "text/plain", body: its, location: `https://elsewhere.test/?access_token=${encodeURIComponent(its)}` }),
    ];
    await wait(2_100);
    for (const [n, bent] of misbehaviours.entries()) {
      endpoint.bend(bent);
      for (const provider of ["post", "basic"]) await oauth2(alone, { provider, flow: "M2M", scopes: [] });
      await oauth2(scout, { provider: "post" });
      await seventh(n);
    }
    endpoint.passOnTo(`${upstream.url}/token`);
    await call("PATCH", "/v1/credential-providers/basic", {
      token: admin,
      json: { clientSecret: watch("wrong client secret", secret("wrong")) },
    });
    expect((await oauth2(alone, { provider: "basic", flow: "M2M", scopes: [] })).status).toBe(409);

    // Callers that misbehave: a secret wherever one does not belong.
    const stray = watch("stray secret", secret("stray"));
    const lost = encodeURIComponent(stray);
    const tampered = watch("tampered user token", userToken.replace(/.{6}$/, "AAAAAA"));
    await call("POST", "/v1/workload-tokens", { token: keys.usher, json: { userToken: tampered } });
    await call("POST", "/v1/workload-tokens", { token: keys.herald, json: { agent: "scout", userToken } });
    await call("POST", "/v1/workload-tokens", { token: keys.usher, json: { userToken, userId: stray } });
    await call("POST", "/v1/issuers", {
      token: admin,
      json: { name: "down", discoveryUrl: "http://127.0.0.1:9", audiences: ["a"], login: { clientId: "l", clientSecret: stray } },
    });
    for (const [status, json] of [
      [409, { name: "weather", type: "api_key", apiKey: stray }],
      [400, { name: "bad", type: "oauth2", clientSecret: stray }],
      [400, { name: "bad", type: stray }],
      [400, { name: "bad", type: "api_key", apiKey: [stray], secret: stray }],
    ] as const)
      expect((await call("POST", "/v1/credential-providers", { token: admin, json })).status).toBe(status);
    for (const token of [stray.replaceAll('"', ""), tampered, `${alone.slice(0, -4)}AAAA`, keys.scout.replace(/.$/, "x"), `${admin}x`])
      await call("GET", "/v1/agents", { token: watch("dead credential", token) });
    for (const known of [admin, keys.scout, alone, clientSecret]) {
      for (const path of ["agents", "agents/scout/keys", "issuers", "users", "credential-providers", "connections", "nothing"])
        await call(path === "agents/scout/keys" ? "DELETE" : "GET", `/v1/${path}/${known.slice(0, 127)}`, { token: admin });
      await call("GET", `/v1/agents?limit=${known}&${known}=1&cursor=${known}`, { token: admin });
      await call("GET", `/${known}?access_token=${known}`);
      await call("POST", "/v1/credentials/api-key", { token: alone, json: { provider: known.slice(0, 127) } });
    }
    await call("GET", `/v1/agents?access_token=${lost}`, { token: admin });
    await call("GET", `/${lost}/${lost}?code=${lost}`);
    await call("GET", `/consent/${lost}`, { headers: { cookie: `legate=${lost}` } });
    await call("POST", first.path, {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `formToken=${lost}&decision=no`,
    });
    await call("GET", `/callback/${lost}?state=${lost}&code=${lost}&error=${lost}&error_description=${lost}`);
    await call("GET", `/login/callback?state=${lost}&state=${lost}&id_token=${lost}`);
    await call("PUT", `/v1/agents?token=${lost}`, { token: stray.replaceAll('"', ""), json: { token: stray } });
    const asJson = { "content-type": "application/json" };
    for (const body of [`{"apiKey":"${stray}`, JSON.stringify(stray), `{"${lost}":1,"${lost}":2}`, `{"__proto__":"${lost}"}`])
      expect((await call("POST", "/v1/credential-providers", { token: admin, body, headers: asJson })).status).toBe(400);
    const long = JSON.stringify({ apiKey: stray.repeat(6_000) });
    expect((await call("POST", "/v1/credential-providers", { token: admin, body: long, headers: asJson })).status).toBe(413);
    expect((await call("POST", "/v1/agents", { token: admin, body: stray, headers: { "content-type": "text/plain" } })).status).toBe(415);
    const rough = [
      await raw(server.url, `GET /${lost} HTTP/9.9\r\nauthorization: Bearer ${admin}\r\n\r\n`),
      await raw(server.url, `${stray}\r\n\r\n`),
      await raw(server.url, `GET / HTTP/1.1\r\nhost: x\r\ncookie: ${lost.repeat(400)}\r\n\r\n`),
      await raw(server.url, `GET /%zz${lost}?code=${lost} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      await announced(server.url, "/v1/agents", { authorization: `Bearer ${admin}`, "content-length": 9_000_000, ...asJson }),
    ];
    expect(rough.every((text) => text.includes("requestId"))).toBe(true);

    // Revocations, and what is refused after them.
    await call("POST", "/v1/agents/scout/suspend", { token: admin, json: {} });
    for (const token of [scout, alone, keys.scout]) expect((await oauth2(token, { provider: "post" })).status).toBe(403);
    await call("POST", "/v1/agents/herald/revoke", { token: admin, json: {} });
    expect((await call("POST", "/v1/workload-tokens", { token: keys.herald, json: {} })).status).toBe(401);

    // Everything that can be read.
    const audited: string[] = [];
    for (let path: string | undefined = "/v1/audit-events?limit=500"; path !== undefined; ) {
      const { said, json } = await call("GET", path, { token: admin });
      audited.push(said);
      path = typeof json["nextCursor"] === "string" ? `/v1/audit-events?limit=500&cursor=${json["nextCursor"]}` : undefined;
    }
    for (const path of ["agents", "users", "issuers", "credential-providers", "connections"]) {
      const list = await call("GET", `/v1/${path}`, { token: admin });
      expect(list.json.items?.length, path).toBeGreaterThan(0);
      for (const { id } of list.json.items ?? []) await call("GET", `/v1/${path}/${id}`, { token: admin });
    }
    for (const path of ["/", "/docs", "/livez", "/readyz", "/v1/openapi.json", "/.well-known/jwks.json", "/v1/agents/usher/keys"])
      expect((await call("GET", path, { token: admin })).status).toBe(200);
    const { said: metrics } = await call("GET", "/metrics");
    expect(metrics).toContain('operation="getOauth2Token"');

    // While it runs, so that what is not yet in the main file is looked at in the journal.
    const stored = await dump(store);
    expect(await server.stop()).toBe(0);
    const stranger = await runServer({ ...env, LEGATE_MASTER_KEY: randomBytes(32).toString("hex") });
    expect(stranger.url).toBe("");
    const logs = [server.written(), stranger.written()].map(({ stdout, stderr }) => stdout + stderr);

    // The search sees what it should: a log with a line for each request, spans, rows.
    expect(canaries.names().length).toBeGreaterThan(80);
    expect(logs[0]?.split("\n").length).toBeGreaterThan(wire.answers().length);
    expect(endpoint.traces()).toContain("/v1/credentials/oauth2");
    expect(audited.join("")).toContain("authorization.failed");
    expect(stored.includes("weather")).toBe(true);
    for (const code of ["provider_refused", "provider_unavailable", "authorization_failed", "not_found", "unauthenticated"])
      expect(wire.answers().filter(({ text }) => text.includes(`"${code}"`)).length, code).toBeGreaterThan(2);
    // Answers are looked at one by one, since a few exist to show a secret.
    const places = {
      faults: wire
        .answers()
        .filter(({ status }) => status === 500)
        .map(({ asked }) => asked),
      answers: wire.leaks(canaries),
      audit: canaries.foundIn(audited.join("\n")),
      metrics: canaries.foundIn(metrics),
      spans: canaries.foundIn(endpoint.traces()),
      rough: canaries.foundIn(rough.join("\n")),
      log: canaries.foundIn(logs.join("\n")),
      stored: canaries.foundIn(stored),
      "stored after its end": canaries.foundIn(await dump(store)),
    };
    expect(places).toEqual(Object.fromEntries(Object.keys(places).map((place) => [place, []])));
    // Each key was shown by the one answer that made it, the stored one by those that were asked for it and gave it.
    const pairs = accessKeys.flatMap(({ secret: its, securityToken = its }) => [...new Set([its, securityToken])]);
    for (const shown of [...Object.values(keys), ...pairs]) expect(wire.showing(JSON.stringify(shown))).toBe(1);
    expect(wire.showing(JSON.stringify(kept))).toBe(served);
  });
});

describe("the admin key that a first start makes", () => {
  const directory = mkdtempSync(join(tmpdir(), "legate-first-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("is written once, to standard error, and nowhere else", async () => {
    const first = await runServer({ LEGATE_DATA_DIR: directory, LEGATE_LOG_LEVEL: "trace" });
    const { stderr } = first.written();
    const [, key = ""] = /Admin key: (\S+)/.exec(stderr) ?? [];
    expect((await fetch(`${first.url}/v1/agents`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    expect(await first.stop()).toBe(0);
    const again = await runServer({ LEGATE_DATA_DIR: directory, LEGATE_LOG_LEVEL: "trace" });
    await again.stop();
    const canaries = makeCanaries();
    canaries.watch("admin key", key);
    expect(stderr.split(key)).toHaveLength(3);
    expect(canaries.foundIn(first.written().stdout + again.written().stdout + again.written().stderr)).toEqual([]);
    expect(canaries.foundIn(await dump({ engine: "sqlite", path: join(directory, "legate.db") }))).toEqual([]);
  });
});
