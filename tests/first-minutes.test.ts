import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makePerson } from "../examples/src/demo/person.ts";
import { freePort } from "../packages/server/src/testing/free-port.ts";
import { blocksOf, documentsIn, hasCurl, likeShown, openShell, root, type Shell, typed } from "./written-commands.ts";

const blocks = blocksOf(readFileSync(join(root, "README.md"), "utf8"), "first-minutes");

describe.skipIf(!hasCurl)(`the README's first minutes${hasCurl ? "" : " (curl: none found)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-first-minutes-"));
  const shells: Shell[] = [];
  let place: (text: string) => string;
  let env: Record<string, string>;

  beforeAll(async () => {
    const [port, practicePort] = [await freePort(), await freePort()];
    // What a person does not see: ports that are free here, and a data folder that goes away.
    env = { LEGATE_PORT: String(port), PRACTICE_PORT: String(practicePort), LEGATE_DATA_DIR: join(folder, "data") };
    place = (text) => text.replaceAll("127.0.0.1:8700", `127.0.0.1:${port}`).replaceAll("127.0.0.1:8701", `127.0.0.1:${practicePort}`);
  });
  afterAll(async () => {
    for (const shell of shells) await shell.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (more: Record<string, string> = {}) => {
    const shell = openShell({ ...env, ...more });
    shells.push(shell);
    return shell;
  };

  test("every block works as it stands, and every answer shown is the answer given", { timeout: 120_000 }, async () => {
    const terminals: Shell[] = [];
    let main: Shell | undefined;
    let ran = 0;
    let said = "";
    let shown = 0;
    for (const [index, { language, terminal, text }] of blocks.entries()) {
      if (language === "ts") continue;
      if (language === "json") {
        expect(documentsIn(said).at(-1), said).toEqual(likeShown(JSON.parse(place(text))));
        shown += 1;
        continue;
      }
      if (language === "text") {
        expect(said.trim()).toBe(text.trim());
        continue;
      }
      expect(language).toBe("sh");
      if (terminal) {
        const shell = open();
        terminals.push(shell);
        shell.type(`${text}echo "it ended"\n`);
        const [heard] = await shell.heard(/listens on|it ended/);
        expect(heard, `what should have been left running has ended: ${text}`).toBe("listens on");
        continue;
      }
      if (!main) {
        const [, adminKey = ""] = (await terminals[0]?.heard(/Admin key: (\S+)/)) ?? [];
        main = open({ LEGATE_URL: place("http://127.0.0.1:8700"), ADMIN_KEY: adminKey });
      }
      ran += 1;
      said = await typed(main, place(text));
      for (const document of documentsIn(said) as Record<string, unknown>[]) {
        // A refusal that the README does not show is a mistake in the README.
        if (!blocks[index + 1]?.text.includes('"error"')) expect(document).not.toHaveProperty("error");
        if (typeof document.callbackUrl === "string") {
          expect(document.warnings).toBeUndefined();
          terminals[1]?.type(`${document.callbackUrl}\n`);
          await terminals[1]?.heard(/may be sent back/);
        }
        if (typeof document.authorizationUrl === "string") await makePerson("alice").open(document.authorizationUrl);
      }
    }
    expect(ran).toBeGreaterThan(9);
    expect(shown).toBeGreaterThan(4);

    main?.type("node examples/dist/first-minutes/main.js bob\n");
    const [, link = ""] = (await main?.heard(/allow access: (\S+)/)) ?? [];
    await makePerson("bob").open(link);
    await main?.heard(/user: 'bob'/);
  });

  test("the program shown is the program that is compiled and run", () => {
    const shown = blocks.find(({ language }) => language === "ts");
    expect(shown?.text).toBe(readFileSync(join(root, "examples/src/first-minutes/main.ts"), "utf8"));
  });
});
