import { existsSync } from "node:fs";
import { operations } from "@legate/contract";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRandom } from "../../ground/kernel/index.ts";
import { type Http, makeHttp, makeLog } from "../http/index.ts";
import { serveDocs } from "./docs.ts";
import { openApiOf } from "./native.ts";

const browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

let http: Http;
let address: string;
beforeAll(async () => {
  http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: "http://127.0.0.1", trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  serveDocs(http.app);
  http.app.get("/v1/openapi.json", () => openApiOf("/"));
  address = await http.listen();
});
afterAll(() => http.close());

describe("the reference", () => {
  test("names no other host, and its policy lets none in", async () => {
    const page = await http.app.inject({ url: "/docs" });
    const start = await http.app.inject({ url: "/docs/start.js" });
    expect(page.body + start.body).not.toMatch(/https?:|\/\//);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
  });

  test("its program is served whole, and not again to who has it", async () => {
    const script = await http.app.inject({ url: "/docs/reference.js" });
    expect([script.statusCode, script.rawPayload.length]).toEqual([200, Number(script.headers["content-length"])]);
    const again = await http.app.inject({ url: "/docs/reference.js", headers: { "if-none-match": String(script.headers["etag"]) } });
    expect([again.statusCode, again.body]).toEqual([304, ""]);
  });

  test.skipIf(browser === undefined)(
    `shows every operation in a browser, asking nobody but us${browser === undefined ? " (chromium: none found)" : ""}`,
    async () => {
      const running = await chromium.launch({ executablePath: browser ?? "", args: ["--no-sandbox"] });
      try {
        const page = await running.newPage();
        const asked: string[] = [];
        const complaints: string[] = [];
        page.on("request", (request) => asked.push(request.url()));
        page.on("console", (message) => {
          if (message.type() === "error") complaints.push(message.text());
        });
        page.on("pageerror", (error) => complaints.push(error.message));
        await page.goto(`${address}/docs`);
        await page.getByText(operations.whoami.summary).first().waitFor();
        await page.waitForTimeout(1_500);
        expect(asked.filter((url) => !url.startsWith(address) && !url.startsWith("data:"))).toEqual([]);
        expect(complaints).toEqual([]);
      } finally {
        await running.close();
      }
    },
  );
});
