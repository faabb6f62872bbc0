import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Chromium, headingOf as heading, noChromium, startChromium, takePicture as picture } from "./chromium-for-tests.ts";
import { agentTitle, type Front, openFront } from "./front-for-tests.ts";

describe.skipIf(noChromium)(`a consent in Chromium${noChromium ? " (chromium: none found)" : ""}`, () => {
  let chrome: Chromium;
  let front: Front;
  let folder: string;

  beforeAll(async () => {
    chrome = await startChromium();
  });
  afterAll(() => chrome.stop());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "legate-browser-"));
    front = await openFront({ engine: "sqlite", path: join(folder, "legate.db") });
  });
  afterEach(async () => {
    await chrome.leave();
    await front.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Logs in where one must, and says yes to what the provider asks. */
  const through = async (page: Page, person: string) => {
    await page.waitForURL("http://127.0.0.1:*/**");
    for (let step = 0; step < 6 && page.url().startsWith("http://127.0.0.1"); step += 1) {
      const name = page.locator("input[name=login]");
      if ((await name.count()) > 0) await name.fill(person);
      await page.locator("form[action$='/login'] button, form[action$='/allow'] button").click();
    }
  };

  test("a person allows, logs in, consents at the provider, and the agent has its credential", async () => {
    const { page, context, blocked } = await chrome.open();
    const { authorizationUrl, sessionUri } = await front.begin();
    const answer = await page.goto(authorizationUrl);
    expect(answer?.status()).toBe(200);
    expect(await heading(page)).toBe(`Allow ${agentTitle} to use github for you?`);
    expect(await page.locator("main b").count()).toBe(0);
    expect(await page.locator("ul li").allInnerTexts()).toEqual(["read", "write"]);
    expect(await page.locator("dl").isVisible()).toBe(false);
    await page.locator("summary").click();
    expect(await page.locator("dl").isVisible()).toBe(true);
    await picture(page, "consent-open");
    await page.locator("summary").click();
    await picture(page, "consent");
    // A reload is another visit; the newest page is the one that counts.
    await page.reload();
    const [cookie] = await context.cookies(front.publicUrl);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/", secure: false });
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL(`${front.issuer.url}/**`);
    await through(page, "bob");
    expect(await heading(page)).toBe("Connected");
    await picture(page, "connected");
    expect(blocked).toEqual([]);
    expect(await front.poll(sessionUri)).toMatchObject({ status: "ready", scopes: ["read", "write"] });

    await page.reload();
    expect(await heading(page)).toBe("This link has been used");
    await picture(page, "used");
  });

  test("a person who is already logged in at issuer and provider comes through in one stroke", async () => {
    const { page, blocked } = await chrome.open();
    const walk = async (scopes?: string[]) => {
      const { authorizationUrl, sessionUri } = await front.begin(scopes);
      await page.goto(authorizationUrl);
      await page.getByRole("button", { name: "Allow" }).click();
      return sessionUri;
    };
    await walk();
    await through(page, "bob");
    const sessionUri = await walk(["read"]);
    await page.waitForURL(`${front.publicUrl}/callback/**`);
    expect(await heading(page)).toBe("Connected");
    expect(blocked).toEqual([]);
    expect(await front.poll(sessionUri)).toMatchObject({ status: "ready" });
  });

  test("a person denies, with the keyboard alone", async () => {
    const { page } = await chrome.open();
    const { authorizationUrl, sessionUri } = await front.begin();
    await page.goto(authorizationUrl);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await picture(page, "focus");
    await page.keyboard.press("Enter");
    await page.waitForURL(authorizationUrl);
    expect(await heading(page)).toBe("Access denied");
    await picture(page, "denied");
    await expect(front.poll(sessionUri)).rejects.toMatchObject({ code: "authorization_denied" });
    expect((await page.goto(authorizationUrl))?.status()).toBe(403);
  });

  test("a person comes too late", async () => {
    const { page } = await chrome.open();
    const { authorizationUrl, sessionUri } = await front.begin();
    await page.goto(authorizationUrl);
    front.hand.forward(10 * 60_000);
    await page.getByRole("button", { name: "Allow" }).click();
    expect(await heading(page)).toBe("This link has expired");
    await picture(page, "expired");
    expect((await page.goto(authorizationUrl))?.status()).toBe(410);
    await expect(front.poll(sessionUri)).rejects.toMatchObject({ code: "authorization_expired" });
  });

  test("a link that was followed in one browser cannot be finished in another", async () => {
    const [attacker, victim] = [await chrome.open(), await chrome.open()];
    const { authorizationUrl } = await front.begin();
    await attacker.page.goto(authorizationUrl);
    const asked = attacker.page.waitForRequest((request) => request.url().includes("code_challenge="));
    await attacker.page.getByRole("button", { name: "Allow" }).click();
    // The attacker stops at the callback, and sends it to the victim.
    const callback = await front.issuer.walk((await asked).url(), "bob");
    const answer = await victim.page.goto(callback);
    expect(answer?.status()).toBe(403);
    expect(await heading(victim.page)).toBe("This was begun in another browser");
    expect(await victim.page.locator("code").innerText()).toBe(answer?.headers()["x-request-id"]);
    await picture(victim.page, "foreign");
    expect(await front.connections()).toEqual([]);
    // The stranger has not used it up.
    await attacker.page.goto(callback);
    await through(attacker.page, "bob");
    expect(await heading(attacker.page)).toBe("Connected");
  });

  test("a person who logs in as somebody else is told so, and nothing is stored", async () => {
    const { page } = await chrome.open();
    const { authorizationUrl, sessionUri } = await front.begin();
    await page.goto(authorizationUrl);
    await page.getByRole("button", { name: "Allow" }).click();
    await through(page, "mallory");
    expect(await heading(page)).toBe("You are signed in as somebody else");
    await picture(page, "mismatch");
    expect(await front.connections()).toEqual([]);
    await expect(front.poll(sessionUri)).rejects.toMatchObject({ code: "authorization_failed", details: { reason: "user_mismatch" } });
  });

  test("an older page in another tab is told to open the link again, and that helps", async () => {
    const { page, context } = await chrome.open();
    const { authorizationUrl } = await front.begin();
    await page.goto(authorizationUrl);
    const newer = await context.newPage();
    await newer.goto(authorizationUrl);
    await page.getByRole("button", { name: "Allow" }).click();
    expect(await heading(page)).toBe("This page is no longer current");
    await picture(page, "stale");
    await page.getByRole("link", { name: "Open it again" }).click();
    expect(page.url()).toBe(authorizationUrl);
    await page.getByRole("button", { name: "Deny" }).click();
    expect(await heading(page)).toBe("Access denied");
  });

  test("a page cannot be shown in a frame", async () => {
    const { page } = await chrome.open();
    const { authorizationUrl } = await front.begin();
    await page.setContent(`<iframe src="${authorizationUrl}"></iframe>`);
    await page.waitForTimeout(500);
    const [, frame] = page.frames();
    expect(await frame?.locator("form").count()).toBe(0);
  });
});
