import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makePerson } from "../examples/src/demo/person.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** A fenced block of the README whose info string says `first-minutes`; with `terminal` it is left running in a terminal of its own. */
interface Block {
  readonly language: string;
  readonly terminal: boolean;
  readonly text: string;
}

const blocks: readonly Block[] = [...readme.matchAll(/^```(\w+) first-minutes( terminal)?\n(.*?)^```$/gms)].map(
  ([, language = "", terminal, text = ""]) => ({ language, terminal: terminal !== undefined, text }),
);

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
};

/** A shell with its output so far, and a way to wait for what it will say. */
const openShell = (env: Readonly<Record<string, string>>) => {
  // A group of its own, so that what the shell starts can be stopped with it.
  const child: ChildProcess = spawn("sh", { cwd: root, env: { ...process.env, ...env }, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  return {
    type: (text: string) => void child.stdin?.write(text),
    heard: async (pattern: RegExp): Promise<RegExpExecArray> => {
      const deadline = Date.now() + 60_000;
      for (;;) {
        const found = pattern.exec(output);
        if (found) return found;
        if (Date.now() > deadline || child.exitCode !== null) throw new Error(`Waited in vain for ${pattern}; heard:\n${output}`);
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    close: async () => {
      if (child.exitCode !== null || child.pid === undefined) return;
      const ended = once(child, "exit");
      process.kill(-child.pid, "SIGTERM");
      await ended;
    },
  };
};
type Shell = ReturnType<typeof openShell>;

const documentsIn = (text: string): unknown[] =>
  text
    .split(/(?<=\})\s*(?=\{)/)
    .filter((part) => part.trim().startsWith("{"))
    .map((part) => JSON.parse(part) as unknown);

const isMoment = (value: unknown) => typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value);

/** What a printed answer must look like to be the one shown: what ends in three dots or is a moment is an example, the rest is literal. */
const likeShown = (shown: unknown): unknown => {
  if (isMoment(shown)) return expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
  if (typeof shown === "string" && shown.endsWith("...")) {
    const literal = shown.replace(/[0-9a-f]*\.\.\.$/, "").replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return expect.stringMatching(new RegExp(`^${literal}`));
  }
  if (Array.isArray(shown)) return shown.map(likeShown);
  if (typeof shown === "object" && shown !== null)
    return Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, likeShown(value)]));
  return shown;
};

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

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
        shell.type(text);
        await shell.heard(/listens on/);
        continue;
      }
      if (!main) {
        const [, adminKey = ""] = (await terminals[0]?.heard(/Admin key: (\S+)/)) ?? [];
        main = open({ LEGATE_URL: place("http://127.0.0.1:8700"), ADMIN_KEY: adminKey });
      }
      ran += 1;
      main.type(`echo "begin-${ran}"\n${place(text)}\necho "end-${ran}"\n`);
      said = (await main.heard(new RegExp(`begin-${ran}\\n(.*)end-${ran}\\n`, "s")))[1] ?? "";
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
