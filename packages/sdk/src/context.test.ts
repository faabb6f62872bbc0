import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgentContext, LegateClient, withAccessToken, withWorkloadToken } from "./index.ts";
import { FakeLegate, keyOf, unsignedJwt } from "./testing/fake-legate.ts";

let fake: FakeLegate;
beforeAll(async () => {
  fake = await FakeLegate.start();
});
afterAll(() => fake.stop());

const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
const values = { userId: "u", userToken: "t", workloadToken: "w", sessionId: "s", customState: "c" };

describe("the context", () => {
  it("is empty outside a run, where a setter is an error that says why and clear does nothing", () => {
    expect(AgentContext.current()).toEqual({});
    expect(() => AgentContext.setUserId("alice")).toThrow(/`userId` can be set only inside `AgentContext.run.*shared by every task/s);
    for (const set of [AgentContext.setUserToken, AgentContext.setWorkloadToken, AgentContext.setSessionId, AgentContext.setCustomState]) {
      expect(() => set("x")).toThrow(expect.objectContaining({ name: "ContextError" }));
    }
    AgentContext.clear();
    expect(AgentContext.getUserId()).toBeUndefined();
  });

  it("has a getter and a setter for each value, and clear empties them all", async () => {
    await AgentContext.run(values, async () => {
      await turn();
      expect(AgentContext.current()).toEqual(values);
      AgentContext.setUserId("1");
      AgentContext.setUserToken("2");
      AgentContext.setWorkloadToken("3");
      AgentContext.setSessionId("4");
      AgentContext.setCustomState(undefined);
      expect([AgentContext.getUserId(), AgentContext.getUserToken(), AgentContext.getWorkloadToken()]).toEqual(["1", "2", "3"]);
      expect([AgentContext.getSessionId(), AgentContext.getCustomState()]).toEqual(["4", undefined]);
      AgentContext.clear();
      expect(Object.values(AgentContext.current()).filter(Boolean)).toEqual([]);
    });
    expect(values).toEqual({ userId: "u", userToken: "t", workloadToken: "w", sessionId: "s", customState: "c" });
  });

  it("of a run inside a run holds only what that run was given, and leaves the outer one alone", () => {
    AgentContext.run(values, () => {
      AgentContext.run({ userId: "inner" }, () => {
        expect(AgentContext.current()).toEqual({ userId: "inner" });
        AgentContext.clear();
      });
      expect(AgentContext.current()).toEqual(values);
    });
  });

  it("stays with an async generator, wherever it is iterated", async () => {
    const steps = AgentContext.run({ userId: "alice" }, async function* () {
      yield AgentContext.getUserId();
      await turn();
      AgentContext.setUserId("alicia");
      yield AgentContext.getUserId();
    });
    const seen: unknown[] = [];
    await AgentContext.run({ userId: "bob" }, async () => {
      for await (const user of steps) seen.push(user, AgentContext.getUserId());
    });
    expect(seen).toEqual(["alice", "bob", "alicia", "bob"]);
  });

  it("stays with a generator, wherever it is iterated, and with what is made of it", () => {
    const steps = () =>
      AgentContext.run({ userId: "alice" }, function* () {
        yield AgentContext.getUserId();
        AgentContext.setUserId("alicia");
        yield AgentContext.getUserId();
      });
    const own = AgentContext.run({ userId: "bob" }, () => [...steps()]);
    expect(own).toEqual(["alice", "alicia"]);
    const [first, second] = steps();
    expect([first, second]).toEqual(["alice", "alicia"]);
    const again = function* () {
      yield* steps();
      yield AgentContext.getUserId();
    };
    expect(AgentContext.run({ userId: "bob" }, () => [...again()])).toEqual(["alice", "alicia", "bob"]);
    const made = steps() as unknown as { take?: (count: number) => Iterable<string> };
    if (made.take) expect([...made.take(2)]).toEqual(["alice", "alicia"]);
  });

  it("returns what the function returns, and throws what it throws", async () => {
    expect(AgentContext.run({}, () => 7)).toBe(7);
    expect(() =>
      AgentContext.run({}, () => {
        throw new Error("mine");
      }),
    ).toThrow("mine");
    expect(AgentContext.getUserId()).toBeUndefined();
  });
});

// Storing the context's values, or the cached credentials, under anything less than the whole identity makes this fail.
describe("1,000 interleaved tasks of 50 users", () => {
  it("each get their own user's credentials, at every step", async () => {
    const client = new LegateClient({ url: fake.url, agentKey: keyOf("mail") });
    const read = withAccessToken({ client, provider: "github" }, async ({ accessToken, pause }: { accessToken: string; pause: number }) => {
      await turn(pause);
      return accessToken;
    });
    const stream = withAccessToken({ client, provider: "slack" }, async function* ({ accessToken }: { accessToken: string }) {
      yield accessToken;
      await turn(1);
      yield accessToken;
    });
    const workload = withWorkloadToken({ client }, ({ workloadToken }: { workloadToken: string }) => workloadToken);
    const task = async (n: number) => {
      const user = `user-${n % 50}`;
      const owner = n % 2 === 0 ? user : `https://issuer#${user}`;
      const who = n % 2 === 0 ? { userId: user } : { userToken: unsignedJwt({ iss: "https://issuer", sub: user }) };
      await turn(n % 7);
      await AgentContext.run({ ...who, sessionId: String(n) }, async () => {
        expect((await read({ pause: n % 5 })).split("/github/")[0]).toBe(`mail/${owner}`);
        await turn(n % 3);
        for await (const token of stream()) expect(token.split("/slack/")[0]).toBe(`mail/${owner}`);
        expect(fake.workloadTokens.get(await workload())?.user).toBe(owner);
        expect(AgentContext.getSessionId()).toBe(String(n));
      });
      expect(AgentContext.getSessionId()).toBeUndefined();
    };
    await Promise.all(Array.from({ length: 1000 }, (_, n) => task(n)));
    expect(fake.count("createWorkloadToken")).toBe(50);
    expect(fake.count("getOauth2Token")).toBe(100);
  });
});
