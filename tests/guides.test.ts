import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { beginLogin, finishLogin } from "../examples/src/demo/login.ts";
import { freePort } from "../packages/server/src/testing/free-port.ts";
import { startProvider, type TestProvider } from "../packages/server/src/testing/provider.ts";
import { blocksOf, documentsIn, hasCurl, likeShown, openShell, root, type Shell, typed } from "./written-commands.ts";

const guides = readdirSync(join(root, "docs/guides")).filter(
  (file) => blocksOf(readFileSync(join(root, "docs/guides", file), "utf8"), "guide").length > 0,
);

describe.skipIf(!hasCurl)(`the guides' commands${hasCurl ? "" : " (curl: none found)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-guides-"));
  const shells: Shell[] = [];
  let upstream: TestProvider;
  let userToken: string;

  beforeAll(async () => {
    const login = { clientId: "my-app", clientSecret: "app-secret", redirectUri: "http://127.0.0.1:9/back" };
    upstream = await startProvider({
      clients: [{ client_id: login.clientId, client_secret: login.clientSecret, redirect_uris: [login.redirectUri] }],
    });
    const client = { ...login, issuer: upstream.issuer };
    const attempt = beginLogin(client);
    userToken = await finishLogin(client, attempt, new URL(await upstream.walk(attempt.url, "alice")).searchParams);
  });
  afterAll(async () => {
    for (const shell of shells) await shell.close();
    await upstream.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (env: Readonly<Record<string, string>>) => {
    const shell = openShell(env);
    shells.push(shell);
    return shell;
  };

  test("there are guides with commands", () => {
    expect(guides.length).toBeGreaterThan(3);
  });

  test.each(guides)("%s says what works, and shows the answers given", async (file) => {
    const port = await freePort();
    const server = open({ LEGATE_PORT: String(port), LEGATE_DATA_DIR: join(folder, file), LEGATE_EGRESS_ALLOW: "127.0.0.1" });
    server.type("node packages/server/dist/main.js\n");
    const [, adminKey = ""] = await server.heard(/Admin key: (\S+)/);
    const reader = open({ LEGATE_URL: `http://127.0.0.1:${port}`, ADMIN_KEY: adminKey, USER_TOKEN: userToken });
    // The provider of the guides is one that is here.
    const place = (text: string) =>
      text.replaceAll("127.0.0.1:8700", `127.0.0.1:${port}`).replaceAll("https://login.example.com", upstream.url);
    const blocks = blocksOf(readFileSync(join(root, "docs/guides", file), "utf8"), "guide");
    let said = "";
    for (const [index, { language, text }] of blocks.entries()) {
      if (language === "json") {
        expect(documentsIn(said).at(-1), said).toEqual(likeShown(JSON.parse(place(text))));
        continue;
      }
      said = await typed(reader, place(text));
      for (const document of documentsIn(said) as Record<string, unknown>[]) {
        expect(document.warnings, said).toBeUndefined();
        if (!blocks[index + 1]?.text.includes('"error"')) expect(document, said).not.toHaveProperty("error");
      }
    }
  });
});
