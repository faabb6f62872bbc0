// The whole walk of a consent with session binding, in Chromium: an application with the original SDK on one side, people with browsers on the other.
import { equal, match, ok } from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { freePort } from "../server.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
export const noChromium = executablePath === undefined;

const agent = "browsed";
const headingOf = (page) => page.locator("h1").innerText();
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until this holds; the agent polls each three seconds. */
const until = async (holds, what) => {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(200)) if (await holds()) return;
  throw new Error(`It never came: ${what}`);
};

/** The ID token of a person who logs in to the application's own issuer. */
const idTokenOf = async (provider, { client, redirect }, user) => {
  const verifier = randomBytes(32).toString("base64url");
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: client,
    redirect_uri: redirect,
    scope: "openid",
    state: "s",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const back = new URL(await provider.walk(`${provider.issuer}/auth?${asked}`, user));
  const answer = await fetch(`${provider.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: back.searchParams.get("code") ?? "",
      redirect_uri: redirect,
      client_id: client,
      code_verifier: verifier,
    }),
  });
  return (await answer.json()).id_token;
};

/** The agent, its provider, and its application, which listens on another host name than Legate: another site, as in the world. */
const startApplication = async ({ server, provider, runApplication }) => {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  await server.ask("POST", "/v1/agents", {
    name: agent,
    issuer: "people",
    binding: "application",
    allowedReturnUrls: [`${url}/callback`],
    roleArn: `acs:ram::9999999999999999:role/${agent}`,
  });
  const made = await server.ask("POST", "/v1/credential-providers", {
    name: agent,
    type: "oauth2",
    discoveryUrl: provider.discoveryUrl,
    clientId: agent,
    clientSecret: "a secret",
    clientAuth: "client_secret_post",
  });
  provider.addClient({
    client_id: agent,
    client_secret: "a secret",
    client_name: "Legate",
    redirect_uris: [made.callbackUrl],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "client_secret_post",
  });
  const ended = runApplication(port, { workload: agent, provider: agent });
  await until(
    () =>
      fetch(`${url}/health`).then(
        ({ ok: good }) => good,
        () => false,
      ),
    "the application",
  );
  return {
    url,
    stop: async () => {
      await fetch(`${url}/stop`).catch(() => undefined);
      await ended;
    },
  };
};

/** @throws AssertionError where anything is not as it should be */
export const browse = async ({ server, provider, login, runApplication }) => {
  const app = await startApplication({ server, provider, runApplication });
  const chrome = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  const stored = async () => (await server.ask("GET", `/v1/connections?agent=${agent}`)).items.length;

  /** A browser of this person's own, logged in to the application. */
  const person = async (user) => {
    const context = await chrome.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${app.url}/signed-in?id_token=${await idTokenOf(provider, login, user)}`);
    equal(await headingOf(page), "Signed in");
    const [cookie] = await context.cookies(app.url);
    ok(cookie?.httpOnly, "the application's session is in a cookie that no script reads");
    return page;
  };
  /** Asks the agent, and waits for the link in the chat. */
  const begin = async (page) => {
    await page.goto(`${app.url}/ask`);
    const chat = page.url();
    await until(async () => {
      await page.reload();
      return (await page.getByRole("link").count()) > 0;
    }, "the link");
    return { chat, link: await page.getByRole("link").getAttribute("href") };
  };
  /** Logs in at the provider where one must, and says yes. */
  const consent = async (page, user) => {
    for (let step = 0; step < 4 && page.url().startsWith(provider.issuer); step += 1) {
      const name = page.locator("input[name=login]");
      if ((await name.count()) > 0) await name.fill(user);
      await page.locator("form[action$='/login'] button, form[action$='/allow'] button").click();
    }
  };

  try {
    // The walk.
    const alice = await person("alice");
    const { chat } = await begin(alice);
    await alice.getByRole("link").click();
    await alice.waitForURL(`${provider.issuer}/**`);
    await consent(alice, "alice");
    match(alice.url(), /\/callback\?session_uri=[^&]+&state=/);
    equal(await headingOf(alice), "Authorized. You may close this page.");
    const callback = alice.url();
    equal(await stored(), 1);
    await alice.goto(chat);
    await until(async () => {
      await alice.reload();
      return (await alice.locator("body").innerText()).includes("This is the calendar of alice.");
    }, "the answer of the agent");

    // A second completion.
    equal((await alice.goto(callback))?.status(), 400);
    equal(await stored(), 1);

    // The link is forwarded: another browser, another person.
    const bob = await person("bob");
    const { link } = await begin(bob);
    const mallory = await person("mallory");
    await mallory.goto(link);
    await consent(mallory, "mallory");
    equal(await headingOf(mallory), "This was not begun here.");
    equal(await stored(), 1);

    // Another user completes it: he names a chat of his own, so that the application lets it through, and Legate does not.
    const forged = new URL(mallory.url());
    forged.searchParams.set("state", (await begin(mallory)).chat.split("/").at(-1) ?? "");
    equal((await mallory.goto(forged.href))?.status(), 400);
    match(await headingOf(mallory), /It was refused: .*begun for another user/s);
    equal(await stored(), 1);

    // The callback is forwarded: it ends where it was begun.
    const carol = await person("carol");
    const begun = await begin(carol);
    const asked = carol.waitForRequest((request) => request.url().includes("code_challenge="));
    await carol.goto(begun.link);
    // Carol stops at the callback, and Mallory follows it.
    equal((await mallory.goto(await provider.walk((await asked).url(), "carol")))?.status(), 403);
    equal(await headingOf(mallory), "This was begun in another browser");
    equal(await stored(), 1);
  } finally {
    await chrome.close();
    await app.stop();
  }
};
