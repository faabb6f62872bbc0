import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Client,
  type ClientOptions,
  loadProjectEnv,
  OutboundError,
  TokenRetrievalError,
  type Variables,
} from "../packages/sdk/src/coze/index.ts";
import { LegateClient } from "../packages/sdk/src/index.ts";
import type { Server } from "../packages/server/src/index.ts";
import { eachStore } from "../packages/server/src/testing/stores.ts";
import { openLegate } from "./sdk-server.ts";

/** Replicas and caches learn of changes within two seconds; a busy machine takes longer. */
const patient = { timeout: 20_000 };
const adminKey = "admin_key_of_the_coze_sdk_tests_0123456789";

eachStore("the Coze client against a running server", (fresh) => {
  let legate: Server;
  let admin: LegateClient;
  beforeAll(async () => {
    legate = await openLegate(await fresh(), adminKey);
    admin = new LegateClient({ url: legate.address, operatorKey: adminKey });
    for (const project of ["shop", "other"]) await ask("PUT", `/v1/projects/${project}`, {});
    for (const [key, value, lane] of [
      ["GREETING", "hello"],
      ["LINES", 'one\ntwo = "three"\r\n'],
      ["GREETING", "blue hello", "ppe_blue"],
    ] as const) {
      await ask("PUT", `/v1/projects/shop/variables/${key}`, { value, ...(lane !== undefined && { lane }) });
    }
    await ask("PUT", "/v1/projects/other/variables/GREETING", { value: "not yours" });
    await ask("PUT", "/v1/projects/shop/integrations/weather", { credential: "key of the weather" });
  });
  afterAll(() => legate.close());

  const ask = async (method: string, path: string, body?: unknown): Promise<Record<string, string>> => {
    const answer = await fetch(`${legate.address}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Record<string, string>);
  };

  /** An agent of the project, and what its process is told. */
  const register = async (name: string, project = "shop") => {
    await admin.agents.create({ name, project });
    const secret = await ask("POST", `/v1/agents/${name}/client-secrets`, {});
    const options = {
      clientId: secret["clientId"],
      clientSecret: secret["clientSecret"],
      tokenEndpoint: `${legate.address}/coze/token`,
      accessTokenEndpoint: `${legate.address}/coze/token`,
      outboundEndpoint: `${legate.address}/coze/secret`,
      lane: "NONE",
      retries: 0,
    };
    return { options, secretId: secret["id"] ?? "" };
  };
  const failureOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => expect.unreachable("it should have failed"),
      (error: unknown) => error,
    );

  test("variables come in their lane and of the token's own project, credentials by name", async () => {
    const { options } = await register("reader");
    const inLane = async (lane: string, more: ClientOptions = {}) =>
      (await new Client({ ...options, ...more, lane }).getProjectEnvVars()).get("GREETING");
    expect(await Promise.all(["NONE", "ppe_blue", "boe_unknown", ""].map((lane) => inLane(lane)))).toEqual([
      "hello",
      "blue hello",
      "hello",
      "hello",
    ]);
    const client = new Client(options);
    expect((await client.getProjectEnvVars("shop"))["GREETING"]).toBe("hello");
    expect(await failureOf(client.getProjectEnvVars("other"))).toBeInstanceOf(OutboundError);
    for (const legacy of [true, false]) {
      expect(await new Client({ ...options, legacy }).getIntegrationCredential("weather")).toBe("key of the weather");
    }
    expect(await failureOf(client.getIntegrationCredential("stocks"))).toMatchObject({
      status: 404,
      requestId: expect.stringMatching(/^req_/) as string,
    });
    const into: Variables = { GREETING: "mine" };
    expect(await loadProjectEnv({ client, into })).toEqual(["LINES"]);
    expect(into).toEqual({ GREETING: "mine", LINES: 'one\ntwo = "three"\r\n' });
  });

  test("64 cold callers make one token flow", async () => {
    const { options } = await register("crowd");
    const asked: string[] = [];
    const counting: typeof fetch = (input, init) => {
      asked.push(new URL(input as string).pathname);
      return fetch(input, init);
    };
    await Promise.all(Array.from({ length: 64 }, () => new Client({ ...options, fetch: counting }).getProjectEnvVars()));
    expect(asked.filter((path) => path === "/coze/token")).toHaveLength(2);
    expect(asked.filter((path) => path === "/coze/secret/env")).toHaveLength(64);
  });

  test("an agent that was suspended is refused, and served again once it is resumed, by the same client", async () => {
    const { options } = await register("sleeper");
    const client = new Client(options);
    expect((await client.getProjectEnvVars()).get("GREETING")).toBe("hello");
    await ask("POST", "/v1/agents/sleeper/suspend", {});
    await expect
      .poll(
        () =>
          client.getProjectEnvVars().then(
            () => "served",
            (error: Error) => error.name,
          ),
        patient,
      )
      .toMatch(/^(OutboundError|TokenRetrievalError)$/);
    await ask("POST", "/v1/agents/sleeper/resume", {});
    await expect
      .poll(
        () =>
          client.getProjectEnvVars().then(
            (variables) => variables.get("GREETING"),
            () => undefined,
          ),
        patient,
      )
      .toBe("hello");
  });

  test("a secret that was taken back gives no new token, and the error says whose fault it is, not the secret", async () => {
    const { options, secretId } = await register("rotated");
    const second = { ...options, clientSecret: (await ask("POST", "/v1/agents/rotated/client-secrets", {}))["clientSecret"] };
    await ask("DELETE", `/v1/agents/rotated/client-secrets/${secretId}`);
    await expect
      .poll(async () => {
        const client = new Client(options);
        client.clearCache();
        return client.getAccessToken().catch((error: unknown) => error);
      }, patient)
      .toBeInstanceOf(TokenRetrievalError);
    expect(await failureOf(new Client(options).getAccessToken())).toMatchObject({
      status: 401,
      code: "invalid_client",
      message: `Failed to retrieve token: 401 Client Error: Unauthorized for url: ${legate.address}/coze/token`,
      detail: expect.any(String) as string,
    });
    await expect(new Client(second).getAccessToken()).resolves.toEqual(expect.any(String));
  });
});
