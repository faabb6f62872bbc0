import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentContext,
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  LegateClient,
  type PollOptions,
  PollTimeoutError,
  withAccessToken,
} from "./index.ts";
import { FakeLegate, keyOf, no } from "./testing/fake-legate.ts";

let fake: FakeLegate;
let time: { now: number };
let waits: number[];
let client: LegateClient;
let onWait: () => void;
beforeEach(async () => {
  fake = await FakeLegate.start();
  fake.consent = "pending";
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
  waits = [];
  onWait = () => undefined;
  const sleep = async (ms: number, signal?: AbortSignal) => {
    waits.push(ms);
    time.now += ms;
    onWait();
    signal?.throwIfAborted();
  };
  client = new LegateClient({ url: fake.url, agentKey: keyOf("mail"), clock: () => time.now, random: () => 0, sleep });
});
afterEach(() => fake.stop());

const echo = ({ accessToken }: { accessToken: string }) => accessToken;
const asAlice = <T>(fn: () => T) => AgentContext.run({ userId: "alice", customState: "state-1" }, fn);
const reader = (options: { poll?: PollOptions; forceAuthentication?: boolean; signal?: AbortSignal; onAuthUrl?: () => void } = {}) =>
  withAccessToken({ client, provider: "github", onAuthUrl: () => undefined, ...options }, echo);
const polls = () => fake.seen.filter((seen) => seen.id === "getOauth2Token" && seen.body.sessionUri !== undefined);

describe("a consent that is needed", () => {
  it("without onAuthUrl throws an error that holds the address and the session, and polls nothing", async () => {
    const read = withAccessToken({ client, provider: "github" }, echo);
    const error = await asAlice(read).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(AuthorizationRequiredError);
    expect(error).toMatchObject({ url: `${fake.url}/consent/s1`, sessionUri: "urn:legate:session:s1" });
    expect((error as Error).message).not.toContain("s1");
    expect(fake.count("getOauth2Token")).toBe(1);
  });

  it("awaits onAuthUrl, then polls the same request with the session until the token is there", async () => {
    const told: unknown[] = [];
    const read = withAccessToken(
      {
        client,
        provider: "github",
        scopes: ["repo"],
        onAuthUrl: async (url, session) => {
          await new Promise((resolve) => setTimeout(resolve, 10));
          told.push([url, session, polls().length]);
        },
      },
      echo,
    );
    onWait = () => {
      if (waits.length === 6) fake.consent = "granted";
    };
    expect(await asAlice(read)).toMatch(/^mail\/alice\/github/);
    expect(told).toEqual([[`${fake.url}/consent/s1`, { sessionUri: "urn:legate:session:s1" }, 0]]);
    expect(waits).toEqual([1000, 1500, 2250, 3375, 5000, 5000]);
    const first = { provider: "github", scopes: ["repo"], customState: "state-1" };
    expect(fake.bodies("getOauth2Token")[0]).toEqual(first);
    for (const poll of polls()) expect(poll.body).toEqual({ ...first, sessionUri: "urn:legate:session:s1" });
    expect(polls()).toHaveLength(7);
  });

  it("waits with jitter, never longer than the longest wait", async () => {
    const jittery = new LegateClient({
      url: fake.url,
      agentKey: keyOf("mail"),
      random: () => 0.999,
      sleep: async (ms) => {
        waits.push(Math.round(ms));
        if (waits.length === 3) fake.consent = "granted";
      },
    });
    await asAlice(
      withAccessToken(
        { client: jittery, provider: "github", onAuthUrl: () => undefined, poll: { intervalMs: 100, maxIntervalMs: 120 } },
        echo,
      ),
    );
    expect(waits).toEqual([75, 90, 90]);
  });

  it("forced, asks the user again once, and never forces while it polls", async () => {
    fake.consent = "not-needed";
    await asAlice(reader());
    fake.consent = "pending";
    onWait = () => {
      fake.consent = "granted";
    };
    const renewed = await asAlice(reader({ forceAuthentication: true }));
    const forced = fake.bodies("getOauth2Token").map((body) => (body as { forceAuthentication?: boolean }).forceAuthentication);
    expect(forced).toEqual([undefined, true, undefined, undefined]);
    expect(await asAlice(reader())).toBe(renewed);
  });

  it("shared by many callers of one identity is one consent, of which each is told", async () => {
    let told = 0;
    const read = reader({
      onAuthUrl: () => {
        told += 1;
        fake.consent = "granted";
      },
    });
    await Promise.all(Array.from({ length: 8 }, () => asAlice(read)));
    expect(told).toBe(8);
    expect(fake.count("getOauth2Token") - polls().length).toBe(1);
  });

  it("is not shared between two custom states: each travels through its own consent", async () => {
    fake.consent = "pending";
    const read = withAccessToken({ client, provider: "github" }, echo);
    const states = ["one", "two"];
    await Promise.allSettled(states.map((customState) => AgentContext.run({ userId: "alice", customState }, read)));
    expect(
      fake
        .bodies("getOauth2Token")
        .map((body) => (body as { customState: string }).customState)
        .toSorted(),
    ).toEqual(states);
  });
});

describe("polling ends", () => {
  it.each([
    ["authorization_denied", "AuthorizationDeniedError"],
    ["authorization_expired", "AuthorizationExpiredError"],
    ["authorization_failed", "AuthorizationFailedError"],
  ] as const)("at once on %s", async (code, name) => {
    onWait = () => {
      fake.consent = code;
    };
    const error = await asAlice(reader()).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name, code, status: 403, requestId: "req-1", details: { reason: "test" } });
    expect(error instanceof AuthorizationDeniedError).toBe(code === "authorization_denied");
    expect(waits).toEqual([1000]);
    expect(polls()).toHaveLength(2);
  });

  it.each([
    [404, "session_unknown"],
    [403, "agent_suspended"],
    [400, "invalid_request"],
    [500, "internal"],
  ])("at once on %i %s", async (status, code) => {
    onWait = () => fake.on("getOauth2Token", () => no(status, code));
    await expect(asAlice(reader())).rejects.toMatchObject({ code });
    expect(polls()).toHaveLength(2);
  });

  it("not when the server is briefly away or asks for patience, which it gets", async () => {
    onWait = () => {
      if (waits.length === 1)
        fake.script("getOauth2Token", no(503, "unavailable"), no(429, "rate_limited", { headers: { "retry-after": "9" } }));
      if (waits.length === 3) fake.consent = "granted";
    };
    await asAlice(reader());
    expect(waits).toEqual([1000, 1500, 9000]);
  });

  it("when its time is over, ten minutes after the consent was asked for unless set", async () => {
    const began = time.now;
    const error = await asAlice(reader()).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(PollTimeoutError);
    expect(error).toMatchObject({ url: `${fake.url}/consent/s1`, sessionUri: "urn:legate:session:s1", waitedMs: 600_000 });
    expect(time.now - began).toBe(600_000);
    const again = time.now;
    await expect(asAlice(reader({ poll: { timeoutMs: 4_000 } }))).rejects.toBeInstanceOf(PollTimeoutError);
    expect(time.now - again).toBe(4_000);
  });

  it("when either signal aborts, with its reason, and when onAuthUrl throws", async () => {
    for (const where of ["signal", "poll"] as const) {
      const abort = new AbortController();
      onWait = () => abort.abort(new Error(`by ${where}`));
      const options = where === "signal" ? { signal: abort.signal } : { poll: { signal: abort.signal } };
      await expect(asAlice(reader(options))).rejects.toThrow(`by ${where}`);
    }
    const hanging = new AbortController();
    const stuck = withAccessToken(
      { client, provider: "github", signal: hanging.signal, onAuthUrl: () => new Promise<void>(() => undefined) },
      echo,
    );
    setTimeout(() => hanging.abort(new Error("closed")), 50);
    await expect(asAlice(stuck)).rejects.toThrow("closed");
    const mine = new Error("no chat");
    const broken = reader({
      onAuthUrl: () => {
        throw mine;
      },
    });
    const before = polls().length;
    await expect(asAlice(broken)).rejects.toBe(mine);
    expect(polls()).toHaveLength(before);
  });

  it("goes on with a new workload token when the old one dies meanwhile", async () => {
    onWait = () => {
      fake.workloadTokens.clear();
      fake.consent = "granted";
    };
    expect(await asAlice(reader())).toMatch(/^mail\/alice/);
    expect(fake.count("createWorkloadToken")).toBe(2);
  });
});
