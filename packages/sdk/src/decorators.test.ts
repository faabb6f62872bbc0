import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentContext,
  LegateClient,
  requiresAccessToken,
  requiresApiKey,
  requiresStsToken,
  requiresWorkloadAccessToken,
  type StsCredential,
} from "./index.ts";
import { FakeLegate, keyOf } from "./testing/fake-legate.ts";

let fake: FakeLegate;
let client: LegateClient;
beforeEach(async () => {
  fake = await FakeLegate.start();
  client = new LegateClient({ url: fake.url, agentKey: keyOf("mail") });
});
afterEach(() => fake.stop());

// The test runner does not compile decorators, so they are applied here as the language does: with the method and its context.
// decorated.example.ts applies them with `@`; examples.test.ts compiles and runs it.
const context = { kind: "method", name: "m", static: false, private: false } as ClassMethodDecoratorContext<unknown, never>;

describe("a decorator", () => {
  it("gives a method its credential, and leaves it its `this` and its other arguments", async () => {
    async function read(this: unknown, { accessToken, page }: { accessToken?: string; page: number }, more: string) {
      return [(this as { name: string }).name, page, more, accessToken?.split("/")[1]];
    }
    const decorated = requiresAccessToken({ client, provider: "github" })(read, context);
    const given = await AgentContext.run({ userId: "alice" }, () => decorated.call({ name: "reader" }, { page: 3 }, "x"));
    expect(given).toEqual(["reader", 3, "x", "alice"]);
  });

  it("gives every kind of credential, under its own name or another", async () => {
    const key = requiresApiKey({ client, provider: "search" })(async ({ apiKey }: { apiKey?: string }) => apiKey, context);
    expect(await key.call({}, {})).toBe("key-of-search-for-mail");
    const wat = requiresWorkloadAccessToken({ client, injectAs: "wat" })(async ({ wat: token }: { wat?: string }) => token, context);
    expect(await wat.call({}, {})).toBe("wat.1");
    const sts = requiresStsToken({ client })(async ({ stsCredential }: { stsCredential?: StsCredential }) => stsCredential, context);
    expect(await sts.call({}, {})).toMatchObject({ accessKeyId: "mail/-/-/-/-/-", securityToken: expect.any(String) });
  });

  it("keeps an async generator method one", async () => {
    const stream = requiresAccessToken({ client, provider: "github" })(async function* ({ accessToken }: { accessToken?: string }) {
      yield accessToken;
    }, context);
    for await (const token of stream.call({}, {})) expect(token).toMatch(/^mail\/-\/github/);
    expect(fake.count("getOauth2Token")).toBe(1);
  });

  it("refuses what is no method", () => {
    const field = { kind: "field", name: "f" } as unknown as typeof context;
    expect(() => requiresApiKey({ client, provider: "x" })(async (_input: { apiKey?: string }) => 1, field)).toThrow(/methods only/);
  });
});
