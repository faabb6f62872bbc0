import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeAlibaba, refusal } from "../testing/fake-alibaba.ts";
import {
  ApiError,
  AuthorizationFailedError,
  AuthorizationRequiredError,
  ConnectionError,
  type GetTokenOptions,
  IdentityClient,
  type IdentityClientOptions,
  PollTimeoutError,
} from "./index.ts";

let fake: FakeAlibaba;
let time: { now: number };
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
  fake.clock = () => time.now;
  fake.consent = "pending";
});
afterEach(() => fake.stop());

const clientWith = (options: IdentityClientOptions = {}) =>
  new IdentityClient({
    ...{ ...fake.options, clock: () => time.now, random: () => 0.5, retries: 0 },
    sleep: async (ms) => void (time.now += ms),
    ...options,
  });
const tokenOf = async (more: Partial<GetTokenOptions> = {}, client = clientWith()) => {
  const workloadAccessToken = await client.getWorkloadAccessToken({ userId: "alice" });
  return client.getToken({
    credentialProviderName: "drive",
    workloadAccessToken,
    pollForToken: true,
    poll: { timeoutMs: 30_000 },
    ...more,
  });
};
const failure = async (call: Promise<unknown>): Promise<PollTimeoutError> => {
  const error = await call.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PollTimeoutError);
  return error as PollTimeoutError;
};

describe("waiting for a consent that came to nothing", () => {
  it("says that it was pending where it was", async () => {
    const error = await failure(tokenOf());
    expect(error).toMatchObject({ message: "The consent was still pending after 30 s.", lastError: undefined });
  });

  it("says what every poll failed with, and that none was answered", async () => {
    fake.on("GetResourceOAuth2Token", ({ params }) => (params.SessionURI === undefined ? undefined : refusal(503, "ServiceUnavailable")));
    const error = await failure(tokenOf());
    expect(error.message).toBe("There was no answer about the consent for 30 s: ServiceUnavailable (HTTP 503).");
    expect(error.lastError).toBeInstanceOf(ApiError);
    expect(error.lastError).toMatchObject({ code: "ServiceUnavailable", status: 503, requestId: "req-1" });
  });

  it("says what the last poll failed with, though others were answered", async () => {
    let polls = 0;
    fake.on("GetResourceOAuth2Token", ({ params }) => {
      if (params.SessionURI !== undefined) polls += 1;
      return polls > 2 ? refusal(500, "InternalError") : undefined;
    });
    const error = await failure(tokenOf());
    expect(error.message).toBe("The consent was still pending after 30 s, and the last answer about it was InternalError (HTTP 500).");
    expect(error.lastError).toMatchObject({ code: "InternalError" });
  });

  it("says why the server could not be reached", async () => {
    let polls = 0;
    const client = clientWith({
      fetch: (input, init) => {
        if (typeof init?.body === "string" && init.body.includes("SessionURI=")) {
          polls += 1;
          return Promise.reject(Object.assign(new Error("canary"), { code: "ECONNREFUSED" }));
        }
        return fetch(input, init);
      },
    });
    const error = await failure(tokenOf({}, client));
    expect(polls).toBeGreaterThan(2);
    expect(error.message).toBe("There was no answer about the consent for 30 s: ECONNREFUSED.");
    expect(error.lastError).toBeInstanceOf(ConnectionError);
  });

  it.each([
    { timeoutMs: Number.NaN },
    { timeoutMs: -1 },
    { intervalMs: Number.NaN },
    { maxIntervalMs: Number.NaN },
    { maxIntervalMs: "5" as unknown as number },
  ])("is not begun with a time that is none: %j", async (poll) => {
    await expect(tokenOf({ poll })).rejects.toMatchObject({ name: "ConfigurationError" });
  });

  it("leads to the request where it is the status of an answer that ends it", async () => {
    fake.on("GetResourceOAuth2Token", ({ params }) =>
      params.SessionURI === undefined ? undefined : { body: { RequestId: "req-of-the-poll", SessionStatus: "FAILED" } },
    );
    const error = await tokenOf().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuthorizationFailedError);
    expect(error).toMatchObject({ requestId: "req-of-the-poll" });
    fake.on("GetResourceOAuth2Token", () => ({ body: { RequestId: "req-of-nothing" } }));
    await expect(tokenOf()).rejects.toMatchObject({ code: "unexpected_answer", requestId: "req-of-nothing" });
  });
});

describe("a consent that was begun", () => {
  it("is gone on with by its session: no other is begun, and the user is not shown it again", async () => {
    const required = await tokenOf({ pollForToken: false }).catch((thrown: unknown) => thrown);
    expect(required).toBeInstanceOf(AuthorizationRequiredError);
    const { sessionUri } = required as AuthorizationRequiredError;
    const shown: string[] = [];
    const goOn = { sessionUri, forceAuthentication: true, onAuthUrl: (url: string) => void shown.push(url) };
    expect(await tokenOf({ ...goOn, pollForToken: false }).catch((thrown: unknown) => thrown)).toMatchObject({ sessionUri });
    let polls = 0;
    fake.on("GetResourceOAuth2Token", () => {
      polls += 1;
      if (polls === 3) fake.consent = "granted";
      return undefined;
    });
    expect(await tokenOf({ ...goOn, pollForToken: undefined })).toMatch(/^token\/mail\/alice/);
    const sent = fake.asked("GetResourceOAuth2Token").map(({ SessionURI, ForceAuthentication }) => [SessionURI, ForceAuthentication]);
    expect(sent).toEqual([[undefined, "false"], ...Array.from({ length: 4 }, () => [sessionUri, "false"])]);
    expect(shown).toEqual([]);
  });

  it("is asked about though memory holds a token of before", async () => {
    const client = clientWith();
    fake.consent = "not-needed";
    const workloadAccessToken = await client.getWorkloadAccessToken({ userId: "alice" });
    const ask = { credentialProviderName: "drive", workloadAccessToken };
    const before = await client.getToken(ask);
    expect(await client.getToken(ask)).toBe(before);
    await client.getToken({ ...ask, sessionUri: "urn:ietf:params:oauth:request_uri:s1" });
    expect(fake.asked("GetResourceOAuth2Token").map(({ SessionURI }) => SessionURI)).toEqual([
      undefined,
      "urn:ietf:params:oauth:request_uri:s1",
    ]);
  });
});

describe("a limit of one request", () => {
  it.each([
    { timeoutMs: Number.NaN },
    { timeoutMs: -1 },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { timeoutMs: "1" as unknown as number },
    { retries: 0.5 },
  ])("that is none is refused, and nothing is sent: %j", async (limits) => {
    const client = clientWith();
    await expect(client.getWorkloadAccessToken(limits)).rejects.toMatchObject({ name: "ConfigurationError" });
    await expect(client.control.request("ListWorkloadIdentities", {}, limits)).rejects.toMatchObject({ name: "ConfigurationError" });
    expect(fake.seen).toEqual([]);
  });
});

describe("an answer", () => {
  it.each([3_600, "3600"])("says how long a token lives as %j", async (ExpiresIn) => {
    fake.on("GetResourceOAuth2Token", () => ({ body: { AccessToken: `t-${fake.count()}`, ExpiresIn } }));
    const client = clientWith();
    const workloadAccessToken = await client.getWorkloadAccessToken();
    const ask = { credentialProviderName: "drive", workloadAccessToken };
    expect(await client.getToken(ask)).toBe(await client.getToken(ask));
  });

  it.each(["soon", "", "1e3", "-1", 1.5, {}])("does not say how long a token lives as %j", async (ExpiresIn) => {
    fake.on("GetResourceOAuth2Token", () => ({ body: { AccessToken: "t", ExpiresIn } }));
    await expect(tokenOf()).rejects.toMatchObject({ code: "unexpected_answer" });
  });

  it("names its request, so that it is found in the service's records", async () => {
    const client = clientWith();
    const { RequestId, TotalCount } = await client.control.request("ListWorkloadIdentities", {});
    expect([RequestId, TotalCount]).toEqual(["req-1", 1]);
    fake.on("GetCallerIdentity", () => ({ text: '{"AccountId":"1"}', headers: { "x-acs-request-id": "req-of-the-header" } }));
    expect(await client.sts.request("GetCallerIdentity", {})).toEqual({ AccountId: "1", RequestId: "req-of-the-header" });
  });
});
