import { existsSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
  // Sites that are in no network: what is asked of them is seen, and not answered.
  "--host-resolver-rules=MAP *.test ~NOTFOUND",
];
/** Where pictures of the pages go, to be looked at; nowhere unless asked. */
const pictures = process.env["LEGATE_TEST_PICTURES"];

export const noChromium = executablePath === undefined;

/** Chromium, in which each person has a browser of their own. */
export const startChromium = async () => {
  const chrome = await chromium.launch({ executablePath: executablePath ?? "", args: quiet });
  const contexts: BrowserContext[] = [];
  return {
    /** Another person's browser, without JavaScript: the pages need none. What a policy blocks is collected. */
    open: async () => {
      const context = await chrome.newContext({ javaScriptEnabled: false });
      contexts.push(context);
      const page = await context.newPage();
      const blocked: string[] = [];
      page.on("console", (message) => {
        if (/Content Security Policy|Refused to/.test(message.text()) && !message.text().includes("favicon")) blocked.push(message.text());
      });
      return { page, context, blocked };
    },
    /** Closes the browsers of all persons. */
    leave: async () => {
      for (const context of contexts.splice(0)) await context.close();
    },
    stop: () => chrome.close(),
  };
};
export type Chromium = Awaited<ReturnType<typeof startChromium>>;

export const headingOf = (page: Page) => page.locator("h1").innerText();

/** A picture of the page, narrow and wide, light and dark. */
export const takePicture = async (page: Page, name: string) => {
  if (pictures === undefined) return;
  for (const [scheme, width, height] of [
    ["light", 360, 740],
    ["dark", 360, 740],
    ["light", 1280, 800],
    ["dark", 1280, 800],
  ] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true });
  }
};
