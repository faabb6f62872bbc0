import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { type CallbackSession, callbackHandler, LegateClient, type NodeResponse } from "./index.ts";
import { FakeLegate, keyOf, no, unsignedJwt } from "./testing/fake-legate.ts";

let fake: FakeLegate;
let client: LegateClient;
beforeEach(async () => {
  fake = await FakeLegate.start();
  client = new LegateClient({ url: fake.url, agentKey: keyOf("mail") });
});
afterEach(() => fake.stop());

const state = "s0me+state/ü";
const alice: CallbackSession = { customState: state, userId: "alice" };
const address = (query: Record<string, string>) => `https://app.example/callback?${new URLSearchParams(query).toString()}`;
const good = { session_uri: "urn:s1", state };
const visit = (query: Record<string, string> | string, session: CallbackSession | undefined = alice, init?: RequestInit) =>
  callbackHandler({ client, sessionOf: (_request: Request) => session })(
    new Request(typeof query === "string" ? query : address(query), init),
  );

describe("the callback", () => {
  it("completes for the user of the application's own session, and shows a page that stands alone and is not stored", async () => {
    const response = await visit(good);
    expect(response.status).toBe(200);
    expect(fake.bodies("completeAuthorization")).toEqual([{ sessionUri: "urn:s1", userId: "alice" }]);
    expect(fake.seen[0]?.bearer).toBe(keyOf("mail"));
    const html = await response.text();
    expect(html).toContain("You may close this window");
    expect(html).not.toMatch(/https?:|<script|urn:s1|s0me/);
    expect(response.headers.get("content-security-policy")).toMatch(/default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='/);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  });

  it("names the user by token where the session has one, never by the id beside it; without a key, as that user", async () => {
    const userToken = unsignedJwt({ iss: "i", sub: "alice" });
    await visit(good, { ...alice, userToken });
    const keyless = new LegateClient({ url: fake.url });
    await callbackHandler({ client: keyless, sessionOf: (_: Request) => ({ customState: state, userToken }) })(new Request(address(good)));
    expect(fake.bodies("completeAuthorization")).toEqual([
      { sessionUri: "urn:s1", userToken },
      { sessionUri: "urn:s1", userToken },
    ]);
    expect(fake.seen.map((seen) => seen.bearer)).toEqual([keyOf("mail"), userToken]);
    expect((await visit(good, { ...alice, userToken: "" })).status).toBe(401);
    expect(fake.seen).toHaveLength(2);
  });

  it.each([
    ["without a session", good, undefined, 401],
    ["with another's state", { ...good, state: "other" }, alice, 400],
    ["with a state that only begins alike", { ...good, state: `${state}x` }, alice, 400],
    ["without a state", { session_uri: "urn:s1" }, alice, 400],
    ["with an empty state beside an empty one", { ...good, state: "" }, { ...alice, customState: "" }, 400],
    ["with two states", `${address(good)}&state=x`, alice, 400],
    ["with two sessions", `${address(good)}&session_uri=urn:s2`, alice, 400],
    ["without a session uri", { state }, alice, 400],
    ["with a session that names no user", good, { customState: state }, 401],
    ["with a denial for another's state", { error: "access_denied", state: "other" }, alice, 400],
  ])("completes nothing %s", async (_, query, session, status) => {
    const sessionOf = () => session;
    const handler = callbackHandler({ client, sessionOf: (_request: Request) => sessionOf() });
    const response = await handler(new Request(typeof query === "string" ? query : address(query as Record<string, string>)));
    expect(response.status).toBe(status);
    expect(fake.seen).toEqual([]);
  });

  it("completes nothing for a HEAD or POST: a link preview does not use the consent up", async () => {
    for (const method of ["HEAD", "POST"]) {
      const response = await visit(good, alice, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET");
    }
    expect(fake.seen).toEqual([]);
  });

  it("shows a denial, and any other error without repeating it", async () => {
    const denied = await visit({ error: "access_denied", state });
    expect([denied.status, (await denied.text()).includes("Access was denied")]).toEqual([403, true]);
    const failed = await visit({ error: "<script>alert(1)</script>", session_uri: "urn:s1", state });
    expect([failed.status, (await failed.text()).includes("script")]).toEqual([502, false]);
    expect(fake.seen).toEqual([]);
  });

  it.each([
    ["authorization_denied", 403],
    ["authorization_expired", 410],
    ["session_user_mismatch", 403],
    ["session_used", 409],
    ["session_unknown", 404],
    ["authorization_failed", 502],
    ["user_token_invalid", 502],
  ])("tells the person of %s, with the request id, and the application all of it", async (code, status) => {
    fake.on("completeAuthorization", () => no(400, code));
    const told: unknown[] = [];
    const handler = callbackHandler({ client, sessionOf: (_: Request) => alice, onError: (error) => told.push(error) });
    const response = await handler(new Request(address(good)));
    expect(response.status).toBe(status);
    expect(await response.text()).toContain("Request req-1");
    expect(told).toEqual([expect.objectContaining({ code })]);
  });

  it("answers even when the application's own lookup fails", async () => {
    const told: unknown[] = [];
    const lost = new Error("no database SECRET");
    const handler = callbackHandler({ client, sessionOf: (_: Request) => Promise.reject(lost), onError: (error) => told.push(error) });
    const response = await handler(new Request(address(good)));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("SECRET");
    expect(told).toEqual([lost]);
  });

  it("sends the browser on where told: once completed, or after any outcome", async () => {
    const plain = callbackHandler({ client, sessionOf: (_: Request) => alice, redirectTo: "/done" });
    const done = await plain(new Request(address(good)));
    expect([done.status, done.headers.get("location"), done.headers.get("referrer-policy")]).toEqual([303, "/done", "no-referrer"]);
    expect((await plain(new Request(address({ error: "access_denied", state })))).status).toBe(403);
    const chosen = callbackHandler({
      client,
      sessionOf: (_: Request) => alice,
      redirectTo: (outcome) => (outcome === "denied" ? "/no" : undefined),
    });
    expect((await chosen(new Request(address({ error: "access_denied", state })))).headers.get("location")).toBe("/no");
    expect((await chosen(new Request(address(good)))).status).toBe(200);
  });

  it("serves Node's http as well", async () => {
    const handler = callbackHandler({
      client,
      sessionOf: (request: IncomingMessage) => (request.headers.cookie === "sid=1" ? alice : undefined),
    });
    expectTypeOf(handler).toEqualTypeOf<(request: IncomingMessage, response: NodeResponse) => Promise<void>>();
    const server = createServer((request, response) => void handler(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback?${new URLSearchParams(good).toString()}`;
    expect((await fetch(url)).status).toBe(401);
    const response = await fetch(url, { headers: { cookie: "sid=1" } });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(fake.bodies("completeAuthorization")).toEqual([{ sessionUri: "urn:s1", userId: "alice" }]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});
