import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openBrowser } from "../../testing/cookie-jar.ts";
import { startProvider, type TestProvider } from "../../testing/provider.ts";
import { eachStore } from "../../testing/stores.ts";
import { admin, documentId, loginClient, openRequests, type Requests } from "./authorization-requests-for-tests.ts";
import { mostLiving } from "./family.ts";

let idp: TestProvider;
beforeAll(async () => {
  idp = await startProvider({ clients: [{ ...loginClient, grant_types: ["authorization_code"], response_types: ["code"] }] });
});
afterAll(() => idp.stop());

const day = 24 * 60 * 60_000;

eachStore("a remembered consent", (fresh) => {
  let all: Requests;
  afterEach(() => all.close());
  const open = async () => {
    all = await openRequests(await fresh(), idp);
    return all;
  };
  const lastUsed = async () =>
    (await all.db.read.selectFrom("remembered_consents").select("updated_at").execute()).map(({ updated_at }) => updated_at);
  const setLastUsed = (updated_at: number) => all.db.write((tx) => tx.updateTable("remembered_consents").set({ updated_at }).execute());

  test("is young again with each use, written down once a day, and forgotten after a year without", async () => {
    const { consent, loggedIn, hand, jobs } = await open();
    const browser = openBrowser();
    await consent(browser);
    const now = hand.clock();
    const again = async () => (await loggedIn(browser))?.kind;
    await setLastUsed(now - 2 * day);
    expect([await again(), await lastUsed()]).toEqual(["answer", [now]]);
    await setLastUsed(now - day + 1);
    expect([await again(), await lastUsed()]).toEqual(["answer", [now - day + 1]]);
    await setLastUsed(now - 365 * day);
    await jobs.runNow("grants.sweep");
    expect([await again(), await lastUsed()]).toEqual(["answer", [now]]);
    await setLastUsed(now - 365 * day - 1);
    await jobs.runNow("grants.sweep");
    expect([await lastUsed(), await again()]).toEqual([[], "page"]);
  });

  test("is forgotten with a client's document, and no other with it, however many there are", async () => {
    const { db, grants, app } = await open();
    const row = (user: number, client_id: string) => ({
      ...{ tenant_id: "default", client_id, user_id: `usr_${user}`, resource: "https://api.test", place_hash: client_id },
      ...{ client_version: "one", scopes: "[]", created_at: 0, updated_at: 0 },
    });
    await db.write((tx) =>
      tx
        .insertInto("remembered_consents")
        .values(Array.from({ length: 1_001 }, (_, at) => row(at, documentId)).concat(row(0, app.id)))
        .execute(),
    );
    await grants.forgetClient("default", documentId, AbortSignal.abort());
    expect(await lastUsed()).toHaveLength(1_002);
    await grants.forgetClient("elsewhere", documentId, new AbortController().signal);
    expect(await lastUsed()).toHaveLength(1_002);
    await grants.forgetClient("default", documentId, new AbortController().signal);
    expect(await db.read.selectFrom("remembered_consents").select("client_id").execute()).toEqual([{ client_id: app.id }]);
  });

  test("lets nobody log in without end: what it gave first is over when there is too much of it", async () => {
    const { consent, loggedIn, grantRows } = await open();
    const browser = openBrowser();
    await consent(browser);
    const [first] = await grantRows();
    for (let at = 1; at < mostLiving; at += 1) await loggedIn(browser);
    expect((await grantRows()).filter(({ status }) => status === "active")).toHaveLength(mostLiving);
    all.hand.forward(1);
    expect((await loggedIn(browser))?.kind).toBe("answer");
    const over = (await grantRows()).filter(({ status }) => status === "revoked");
    expect(over).toMatchObject([{ reason: "superseded" }]);
    expect([await lastUsed(), (await loggedIn(browser))?.kind]).toEqual([[first?.created_at], "answer"]);
  });

  test("of an app that was suspended answers for it when it is resumed, and one of a user who is gone for nobody", async () => {
    const { consent, loggedIn, clients, app, users, grantRows } = await open();
    const browser = openBrowser();
    await consent(browser);
    await clients.apps.suspend(admin, app.id);
    await clients.apps.resume(admin, app.id);
    expect((await loggedIn(browser))?.kind).toBe("answer");
    const [row] = await grantRows();
    await users.revoke(admin, row?.user_id ?? "");
    const step = await loggedIn(browser);
    expect(step?.kind === "answer" && "refusal" in step.answer.outcome && step.answer.outcome.refusal.code).toBe("user_suspended");
  });
});
