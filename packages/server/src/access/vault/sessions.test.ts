import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { refusalOf } from "../../testing/refused.ts";
import { eachStore } from "../../testing/stores.ts";
import { actingFor, admin, backUrl, type Consents, nobody, openConsents } from "./consents-for-tests.ts";
import type { Session } from "./session.ts";
import { cookieFor } from "./visit.ts";

let upstream: TestProvider;
beforeAll(async () => {
  upstream = await startProvider();
});
afterAll(() => upstream.stop());

eachStore("authorization sessions", (fresh) => {
  let all: Consents;
  afterEach(() => all.close());

  test("beginning one is audited, and answers addresses that do not tell each other apart from any other", async () => {
    all = await openConsents(await fresh(), upstream);
    const one = await all.begin();
    const two = await all.begin();
    expect(one.uri).toBe(`urn:ietf:params:oauth:request_uri:${one.id}`);
    expect(one.id).toMatch(/^[0-9a-f]{48}$/);
    expect(two.id).not.toBe(one.id);
    expect(new Set((await all.audited("authorization.begun")).map(({ target }) => target))).toEqual(new Set([one.id, two.id]));
  });

  test("a return URL that is not on the list begins nothing", async () => {
    all = await openConsents(await fresh(), upstream);
    expect(await refusalOf(all.begin({ returnUrl: `${backUrl}/` }))).toBe("return_url_not_allowed");
    expect(await refusalOf(all.begin({}))).toBe("return_url_required");
    expect(await all.db.read.selectFrom("authorization_sessions").selectAll().execute()).toEqual([]);
    expect(await all.audited("authorization.begun")).toEqual([]);
  });

  test("a session is polled by its own agent and user for its own provider, and by nobody else", async () => {
    all = await openConsents(await fresh(), upstream);
    const { sessions, who, git, agents, users, agent, alice } = all;
    const { uri, url } = await all.begin();
    expect(await sessions.poll(who, uri, git.id)).toEqual({ state: "pending", authorizationUrl: url });
    const other = await agents.create(admin, { name: "other" });
    const bob = await users.asserted(admin, agent.id, "bob");
    const hub = await all.provider("hub");
    const { user: _, ...alone } = who;
    for (const [asker, provider, sessionUri] of [
      [actingFor(other, alice), git.id, uri],
      [actingFor(agent, bob), git.id, uri],
      [alone, git.id, uri],
      [nobody, git.id, uri],
      [{ ...who, tenant: "another" }, git.id, uri],
      [who, hub.id, uri],
      [who, git.id, `${uri.slice(0, -1)}x`],
      [who, git.id, "nonsense"],
    ] as const)
      expect(await refusalOf(sessions.poll(asker, sessionUri, provider))).toBe("session_unknown");
  });

  test("what is no session of this tenant leads nowhere", async () => {
    all = await openConsents(await fresh(), upstream);
    const { id } = await all.begin();
    for (const [who, given] of [
      [nobody, ""],
      [nobody, "x"],
      [nobody, `${id}\u0000`],
      [nobody, id.toUpperCase()],
      [nobody, "../".repeat(16)],
      [nobody, "a".repeat(48)],
      [{ ...nobody, tenant: "another" }, id],
    ] as const)
      expect(await refusalOf(all.sessions.visit(who, given))).toBe("session_unknown");
  });

  test("what ended more than a day ago is swept away by those that begin, with its visits", async () => {
    all = await openConsents(await fresh(), upstream);
    const { begin, sessions, hand, db } = all;
    const old = await begin();
    await sessions.visit(nobody, old.id);
    hand.forward(10 * 60_000 + 24 * 3_600_000);
    await begin();
    expect(await all.stored(old.id)).toBeDefined();
    hand.forward(1);
    const young = await begin();
    await sessions.visit(nobody, young.id);
    await begin();
    expect(await all.stored(old.id)).toBeUndefined();
    expect(await all.stored(young.id)).toBeDefined();
    const visits = await db.read.selectFrom("authorization_visits").select("session_id").execute();
    expect(visits).toEqual([{ session_id: young.id }]);
  });
});

test("over https the cookie's name binds it to this host", () => {
  const session = { id: "a".repeat(48), expiresAt: 61_000 } as Session;
  expect(cookieFor(session, "v", true, 1_000)).toEqual({ name: `__Host-legate_${"a".repeat(16)}`, value: "v", maxAge: 60, secure: true });
});
