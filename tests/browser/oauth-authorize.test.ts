import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startProvider } from "../../packages/server/src/testing/provider.ts";
import { type Chromium, headingOf as heading, noChromium, startChromium, takePicture } from "./chromium-for-tests.ts";
import { documentUri, type OauthFront, openOauthFront } from "./oauth-front-for-tests.ts";

describe.skipIf(noChromium)(`an OAuth client in Chromium${noChromium ? " (chromium: none found)" : ""}`, () => {
  let chrome: Chromium;
  let front: OauthFront;
  let folder: string;

  beforeAll(async () => {
    chrome = await startChromium();
  });
  afterAll(() => chrome.stop());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "legate-browser-"));
    front = await openOauthFront({ engine: "sqlite", path: join(folder, "legate.db") });
  });
  afterEach(async () => {
    await chrome.leave();
    await front.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const press = (page: Page, name: "Allow" | "Deny") => page.getByRole("button", { name }).click();
  const picture = (page: Page, name: string) => takePicture(page, `oauth-${name}`);
  /** Logs in at the issuer, where one must. */
  const logIn = async (page: Page, person = "bob", issuer = front.issuer) => {
    for (let step = 0; step < 6 && page.url().startsWith(issuer.url); step += 1) {
      const name = page.locator("input[name=login]");
      if ((await name.count()) > 0) await name.fill(person);
      await page.locator("form[action$='/login'] button, form[action$='/allow'] button").click();
    }
  };
  /** From a link in the app's own page, as people come. */
  const fromApp = async (page: Page, to: string) => {
    front.app.lead(to);
    await page.goto(front.app.url);
    await page.getByRole("link", { name: "Sign in" }).click();
  };
  /** From the same link, in a page of the site that Legate is of. */
  const fromSameSite = async (page: Page, to: string) => {
    front.app.lead(to);
    const { protocol, hostname } = new URL(front.publicUrl);
    await page.goto(`${protocol}//${hostname}:${new URL(front.app.url).port}/`);
    await page.getByRole("link", { name: "Sign in" }).click();
  };
  const backInApp = (page: Page) => page.waitForURL(`${front.app.callback}?**`);
  const fieldsOf = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);

  test("a registered app: a person comes from its page, logs in, reads who asks for what, allows, and the app has tokens", async () => {
    const { page, context, blocked } = await chrome.open();
    await fromApp(page, front.authorizeUrl("app"));
    await page.waitForURL(`${front.issuer.url}/**`);
    await logIn(page);
    expect(page.url()).toMatch(new RegExp(`^${front.publicUrl}/oauth2/authorize/[\\w-]{43}$`));
    expect(await heading(page)).toBe("Allow Desk <b>& friends</b> to use Files for you?");
    expect(await page.locator("main b").count()).toBe(0);
    expect(await page.locator("ul li").allInnerTexts()).toEqual([
      "Read your files files:read",
      "Change and delete your files files:write",
      "Recognise you when you come back, without being told your name or e-mail address openid",
    ]);
    expect(await page.locator("main").innerText()).toContain("You are signed in as bob of 127.0.0.1");
    expect(await page.locator(".warn").isVisible()).toBe(true);
    expect(await page.locator("dl").isVisible()).toBe(false);
    await picture(page, "app");
    await page.locator("summary").click();
    await picture(page, "app-open");
    // A page that is loaded anew is the same page.
    await page.reload();
    const [cookie] = await context.cookies(front.publicUrl);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/", secure: false });
    await press(page, "Allow");
    await backInApp(page);
    expect(fieldsOf(page)).toEqual({ code: expect.any(String), state: "the app's own", iss: front.publicUrl });
    expect(blocked).toEqual([]);
    expect(await front.redeem("app", page.url())).toMatchObject({
      status: 200,
      body: { token_type: "Bearer", scope: "files:read files:write openid", id_token: expect.any(String) },
    });
    expect(await front.redeem("app", page.url())).toMatchObject({ status: 400, body: { error: "invalid_grant" } });

    await page.goBack();
    expect(await heading(page)).toBe("This has been answered");
    await picture(page, "answered");
  });

  test("an agent: the second time the person is not asked, unless somebody else may have brought the browser", async () => {
    const { page } = await chrome.open();
    await page.goto(front.authorizeUrl("agent"));
    await logIn(page);
    expect(await heading(page)).toBe("Allow Scout to use Files for you?");
    expect(await page.locator(".warn").count()).toBe(0);
    await press(page, "Allow");
    await backInApp(page);
    expect(await front.redeem("agent", page.url())).toMatchObject({ status: 200 });

    // Login and consent are both there already.
    await fromSameSite(page, front.authorizeUrl("agent"));
    await backInApp(page);
    expect(await front.redeem("agent", page.url())).toMatchObject({ status: 200 });

    await fromApp(page, front.authorizeUrl("agent"));
    expect(await heading(page)).toBe("Allow Scout to use Files for you?");
    await press(page, "Allow");
    await backInApp(page);
    // As from a bookmark, or from a link in a mail: a browser says the same of both.
    await page.goto(front.authorizeUrl("agent"));
    expect(await heading(page)).toBe("Allow Scout to use Files for you?");
    await press(page, "Allow");
    await backInApp(page);
    expect(await front.granted()).toHaveLength(4);
  });

  test("a registered app at a site: the second time, from a page of the same site, the browser goes straight through", async () => {
    const { page } = await chrome.open();
    const uri = "https://desk.test/back";
    const url = front.authorizeUrl("app", { redirect_uri: uri });
    const methods: string[] = [];
    await page.route(`${uri}?**`, (route) => {
      methods.push(route.request().method());
      return route.fulfill({ contentType: "text/html", body: "<h1>Back at the desk</h1>" });
    });
    await page.goto(url);
    await logIn(page);
    expect(await page.locator(".warn").count()).toBe(0);
    await press(page, "Allow");
    await page.waitForURL(`${uri}?code=ac_**`);
    await fromSameSite(page, url);
    await page.waitForURL(`${uri}?code=ac_**`);
    expect(methods).toEqual(["GET", "GET"]);
    expect(await front.granted()).toHaveLength(2);
  });

  test("the client of a metadata document: its address stands first, its own words second; on this device it is warned of", async () => {
    const { page } = await chrome.open();
    await page.route(`${documentUri}?**`, (route) => route.fulfill({ contentType: "text/html", body: "<h1>Back at the assistant</h1>" }));
    await page.goto(front.authorizeUrl("document"));
    await logIn(page);
    expect(await heading(page)).toBe("Allow assistant.test to use Files for you?");
    expect(await page.locator("main").innerText()).toContain("It calls itself Your Bank. Nobody here has checked that");
    expect(await page.locator(".warn").count()).toBe(0);
    await picture(page, "document");
    await press(page, "Allow");
    await page.waitForURL(`${documentUri}?**`);
    expect(await heading(page)).toBe("Back at the assistant");
    expect(await front.redeem("document", page.url())).toMatchObject({ status: 200 });

    await page.goto(front.authorizeUrl("document", { redirect_uri: front.app.callback }));
    expect(await page.locator(".warn").innerText()).toContain("any program here could pretend to be this one");
    await picture(page, "document-here");
    // Nobody is sent to a stranger's site for a bad request.
    await page.goto(front.authorizeUrl("document", { scope: "fly" }));
    expect(await heading(page)).toBe("This cannot be done");
    await picture(page, "stranger");
  });

  test("a person denies, with the keyboard alone, and the app hears it", async () => {
    const { page } = await chrome.open();
    await fromApp(page, front.authorizeUrl("app"));
    await logIn(page);
    await page.getByRole("button", { name: "Deny" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await picture(page, "focus");
    await page.keyboard.press("Enter");
    await backInApp(page);
    expect(fieldsOf(page)).toMatchObject({ error: "access_denied", state: "the app's own", iss: front.publicUrl });
    expect(await front.granted()).toEqual([]);
  });

  test("Allow pressed twice at once: one grant, and the app has its code", async () => {
    const { page } = await chrome.open();
    await page.goto(front.authorizeUrl("app"));
    await logIn(page);
    await page.getByRole("button", { name: "Allow" }).dblclick();
    await backInApp(page);
    expect(await front.granted()).toHaveLength(1);
    expect(await front.redeem("app", page.url())).toMatchObject({ status: 200 });
  });

  test("a form without the cookie, or with another page's token, grants nothing", async () => {
    const { page, context } = await chrome.open();
    await page.goto(front.authorizeUrl("app"));
    await logIn(page);
    const consent = page.url();
    // The same page in another person's browser.
    const stranger = await chrome.open();
    expect((await stranger.page.goto(consent))?.status()).toBe(403);
    expect(await heading(stranger.page)).toBe("This was begun in another browser");
    await picture(stranger.page, "foreign");
    await page.locator("input[name=formToken]").evaluate((input: { value: string }) => {
      input.value = "guessed";
    });
    await press(page, "Allow");
    expect(await heading(page)).toBe("This page is no longer current");
    await picture(page, "stale");
    await page.goto(consent);
    await context.clearCookies();
    await press(page, "Allow");
    expect(await heading(page)).toBe("This was begun in another browser");
    expect(await front.granted()).toEqual([]);
  });

  test("two requests in two tabs are answered each by itself", async () => {
    const { page, context } = await chrome.open();
    const tab = await context.newPage();
    await page.goto(front.authorizeUrl("app"));
    await logIn(page);
    await tab.goto(front.authorizeUrl("agent"));
    expect(await heading(tab)).toContain("Scout");
    await press(tab, "Allow");
    await backInApp(tab);
    await press(page, "Allow");
    await backInApp(page);
    expect(await front.redeem("agent", tab.url())).toMatchObject({ status: 200 });
    expect(await front.redeem("app", page.url())).toMatchObject({ status: 200 });
  });

  test("where there are several issuers a person chooses", async () => {
    const second = await startProvider();
    try {
      await front.trust("Partner GmbH", second);
      const { page, blocked } = await chrome.open();
      await fromApp(page, front.authorizeUrl("app"));
      expect(await heading(page)).toBe("Where do you sign in?");
      await picture(page, "issuers");
      await page.getByRole("button", { name: "Partner GmbH" }).click();
      await page.waitForURL(`${second.url}/**`);
      await logIn(page, "carol", second);
      expect(await page.locator("main").innerText()).toContain("You are signed in as carol");
      await press(page, "Allow");
      await backInApp(page);
      expect(blocked).toEqual([]);
      expect(await front.redeem("app", page.url())).toMatchObject({ status: 200 });
    } finally {
      await second.stop();
    }
  });

  test("a person who comes too late, and one whose app asks wrongly, are told so and sent nowhere", async () => {
    const { page } = await chrome.open();
    await page.goto(front.authorizeUrl("app"));
    await logIn(page);
    front.hand.forward(10 * 60_000);
    await press(page, "Allow");
    expect(await heading(page)).toBe("This page has expired");
    await picture(page, "expired");
    for (const [more, said] of [
      [{ client_id: "cli_00000000000000000000000000000000" }, "This app is not known here"],
      [{ redirect_uri: "https://evil.test/cb" }, "The way back is not the app's own"],
    ] as const) {
      const answer = await page.goto(front.authorizeUrl("app", more));
      expect([answer?.status(), await heading(page)]).toEqual([400, said]);
      expect(await page.locator("code").innerText()).toBe(answer?.headers()["x-request-id"]);
      await picture(page, said.split(" ").slice(0, 3).join("-").toLowerCase());
    }
    expect(await front.granted()).toEqual([]);
  });

  test("a page of it cannot be shown in a frame", async () => {
    const { page, context } = await chrome.open();
    await page.goto(front.authorizeUrl("app"));
    await logIn(page);
    const consent = page.url();
    const framing = await context.newPage();
    // Of the same site, so that the frame has the cookie.
    await framing.route(`${front.publicUrl}/framing`, (route) =>
      route.fulfill({ contentType: "text/html", body: `<iframe src="${consent}"></iframe>` }),
    );
    await framing.goto(`${front.publicUrl}/framing`);
    await framing.waitForTimeout(500);
    const [, frame] = framing.frames();
    expect(await frame?.locator("form").count()).toBe(0);
  });
});
