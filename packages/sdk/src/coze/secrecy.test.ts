import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CozeReply, FakeCoze } from "../testing/fake-coze.ts";
import { Client, type ClientOptions, type LogEvent, ProjectEnvVar, ProjectEnvVars } from "./index.ts";
import { outlineOf, quotable, withoutSecrets } from "../secrecy.ts";

/** Everything that a person or a program could see of a value without asking for a secret. */
const allOf = (value: unknown): string => {
  const seen = [inspect(value, { depth: null, showHidden: true, getters: false }), inspect(value, { depth: null, showProxy: true })];
  const json: unknown = JSON.stringify(value);
  if (typeof json === "string") seen.push(json);
  for (let at = value, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    seen.push(
      at.stack ?? "",
      at.message,
      String(at),
      JSON.stringify(at, Object.getOwnPropertyNames(at)),
      inspect(at, { depth: null, showHidden: true }),
    );
  }
  if (typeof value === "object" && value !== null) seen.push(...Object.keys(value), ...Object.values(value).map(String));
  return seen.join("\n");
};

const secret = 'canary secret/"\u00e9%=&';
const canaries = [/canary/i];
let fake: FakeCoze;
let events: LogEvent[];
beforeEach(async () => {
  fake = await FakeCoze.start();
  events = [];
  fake.on("id", () => ({ body: { access_token: "canary.id.token", expires_in: 120 } }));
  fake.on("access", () => ({ body: { access_token: "canary.access.token", expires_in: 3600 } }));
  fake.accessTokens.add("canary.access.token");
});
afterEach(() => fake.stop());

const clientWith = (options: ClientOptions = {}) =>
  new Client({
    ...fake.options,
    clientSecret: secret,
    sleep: async () => undefined,
    clock: () => 0,
    log: (event) => events.push(event),
    ...options,
  });
const expectNothing = (...values: readonly unknown[]) => {
  for (const value of [...values, ...events]) for (const canary of canaries) expect(allOf(value)).not.toMatch(canary);
};

describe("no secret shows", () => {
  it("in a client, before and after it has tokens", async () => {
    const client = clientWith();
    expectNothing(client);
    await client.getAccessToken();
    expectNothing(client, { nested: [client] });
    expect(inspect(client)).toBe('Client {"clientId":"client-1","lane":"NONE"}');
    expect(structuredClone(client)).toEqual({});
  });

  it("in variables, of which the names do", async () => {
    fake.secrets = [{ key: "GREETING", value: "canary-value" }];
    const variables = await clientWith().getProjectEnvVars();
    expectNothing(variables, [...variables], { nested: variables });
    expect(inspect(variables)).toBe('ProjectEnvVars { "GREETING" }');
    expect(inspect([...variables])).toBe('[ ProjectEnvVar { key: "GREETING" } ]');
    expect(JSON.stringify({ variables })).toBe('{"variables":{"vars":[{"key":"GREETING"}]}}');
    expect(() => structuredClone(variables)).toThrow(/could not be cloned/);
    expect(variables["GREETING"]).toBe("canary-value");
    expectNothing(new ProjectEnvVars([new ProjectEnvVar("A", "canary")]));
  });

  it("in what the log hears of a good day", async () => {
    fake.credentials["github"] = "canary-credential";
    const client = clientWith();
    await client.getIntegrationCredential("github");
    await client.getProjectEnvVars();
    expect(events.map(({ step, level, status }) => [step, level, status])).toEqual([
      ["id-token", "debug", 200],
      ["access-token", "debug", 200],
      ["integration", "debug", 200],
      ["env", "debug", 200],
    ]);
    expectNothing();
  });

  /** A server that sends back what it got, wherever an error would quote it. */
  const echoes = (text: string): readonly CozeReply[] => [
    { status: 400, body: { error: text, error_description: `you sent ${text}`, code: text, msg: `you sent ${text}` } },
    {
      status: 500,
      headers: { "x-request-id": /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text) },
      body: { code: text, msg: [text] },
    },
    { body: { error: { nested: text }, code: text, msg: text } },
    { body: { error: "x", error_description: [text], code: 1, msg: { text } } },
    { text: `<p>${text}` },
  ];
  it.each([secret, encodeURIComponent(secret), new URLSearchParams({ s: secret }).toString(), "canary.id.token", "canary.access.token"])(
    "in any error of a server that echoes %j",
    async (text) => {
      const errors: unknown[] = [];
      const fails = (call: Promise<unknown>) => call.catch((error: unknown) => errors.push(error));
      // A token is what only later steps know of.
      const from = text === "canary.access.token" ? 2 : text === "canary.id.token" ? 1 : 0;
      for (const route of (["id", "access", "integration", "env"] as const).slice(from, text === "canary.id.token" ? 2 : 4)) {
        for (const reply of echoes(text)) {
          const steps = {
            id: { body: { access_token: "canary.id.token" } },
            access: { body: { access_token: "canary.access.token" } },
          } as const;
          for (const step of ["id", "access", "integration", "env"] as const) {
            fake.on(step, () => (step === route ? reply : step === "id" || step === "access" ? steps[step] : undefined));
          }
          const client = clientWith({ clock: () => 0 });
          await fails(route === "env" ? client.getProjectEnvVars() : client.getIntegrationCredential("github"));
        }
      }
      expect(errors.length).toBeGreaterThan(4);
      expectNothing(...errors);
      expect(errors.some((error) => (error as Error).message.includes("[hidden]"))).toBe(true);
    },
  );

  it("in any error of a fetch that quotes, or holds, what it was given", async () => {
    const errors: unknown[] = [];
    const fetch = async (input: unknown, init?: RequestInit): Promise<never> => {
      const text = `${JSON.stringify(init?.headers)} ${init?.body as string}`;
      const inner = Object.assign(new Error(text), { code: "ECONNRESET", request: { init, input } });
      throw Object.assign(new TypeError(`fetch failed for ${text}`, { cause: inner }), { config: init });
    };
    await clientWith({ fetch })
      .getAccessToken()
      .catch((error: unknown) => errors.push(error));
    const later: typeof globalThis.fetch = (input, init) =>
      (input as string).includes("/secret") ? fetch(input, init) : globalThis.fetch(input, init);
    await clientWith({ fetch: later })
      .getProjectEnvVars()
      .catch((error: unknown) => errors.push(error));
    expect(errors).toHaveLength(2);
    expectNothing(...errors);
    for (const error of errors)
      expect(error).toMatchObject({ code: "ECONNRESET", cause: expect.objectContaining({ code: "ECONNRESET" }) as Error });
  });

  it("and a log that throws disturbs nothing", async () => {
    const log = () => {
      throw new Error("the log is full");
    };
    await expect(clientWith({ log }).getAccessToken()).resolves.toBe("canary.access.token");
  });
});

describe("taking secrets out of a text", () => {
  it("takes the longest first, in every spelling, and leaves short ones", () => {
    expect(withoutSecrets("abcd-ef abcd abc", ["abc", "abcd", "abcd-ef"])).toBe("[hidden] [hidden] abc");
    expect(withoutSecrets("a%20b%2Fc a+b%2Fc a b/c", ["a b/c"])).toBe("[hidden] [hidden] [hidden]");
  });

  it("comes before the text is cut, so that no half of one is left", () => {
    for (let before = 1_985; before <= 2_001; before += 1) {
      const text = quotable(`${"x".repeat(before)}abcd-ef yyyy`, ["abcd-ef"]);
      expect(text).not.toMatch(/a|b/);
      expect(text.length).toBeLessThanOrEqual(2_000);
    }
    expect(quotable("x".repeat(2_000), [])).toBe("x".repeat(2_000));
    expect(quotable("x".repeat(2_001), [])).toBe(`${"x".repeat(1_999)}…`);
    expect(quotable(`${"x".repeat(1_998)}😀x`, [])).toBe(`${"x".repeat(1_998)}…`);
    expect(outlineOf(new Error("x".repeat(9_000)), [])?.message).toHaveLength(2_000);
  });

  it("keeps the deepest failure's name, words and code, and nothing else of it", () => {
    const deep = Object.assign(new RangeError("no room for abcd"), { code: "EROOM", request: "abcd" });
    const outline = outlineOf(new Error("above", { cause: new Error("between", { cause: deep }) }), ["abcd"]);
    expect(outline).toMatchObject({ name: "RangeError", message: "no room for [hidden]", code: "EROOM" });
    expect(inspect(outline, { showHidden: true })).not.toMatch(/abcd/);
    expect(outlineOf("text", [])).toBeUndefined();
  });
});
