import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runHere } from "../../packages/cli/src/world-for-tests.ts";
import { openServer, readConfig } from "../../packages/server/src/index.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const adminKey = "op_command_line_0123456789abcdef01234567";

/** How a command line ended, and what it said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface How {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Hears of the process while it runs. */
  readonly running?: (child: ChildProcess) => void;
}

/** The same command line, asked for JSON or as it is. */
const withJson = (run: (words: readonly string[], how?: How) => Promise<Said>) => ({
  run,
  /** Runs it for JSON. @throws when it fails */
  json: async <T = Record<string, unknown>>(words: readonly string[], how?: How): Promise<T> => {
    const { code, stdout, stderr } = await run([...words, "--json"], how);
    if (code !== 0) throw new Error(`legate ${words.join(" ")}: ${code} ${stderr}`);
    return JSON.parse(stdout) as T;
  },
});
export type Legate = ReturnType<typeof withJson>;

const environment = (folder: string, how: How) => ({ HOME: folder, XDG_CONFIG_HOME: join(folder, "config"), ...how.env });

/** The command line as a person runs it: a process of its own, with a configuration of its own. */
export const legateProcess = (folder: string, program = join(root, "packages/cli/bin/legate.js")): Legate =>
  withJson(async (words, how = {}) => {
    const child = spawn(process.execPath, [program, ...words], {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", ...environment(folder, how) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    child.stdin.on("error", () => undefined);
    child.stdin.end(how.input ?? "");
    how.running?.(child);
    const [code] = (await once(child, "close")) as [number | null];
    return { code: code ?? -1, ...said };
  });

/** The same inside the test: a process for each of hundreds of lines takes its time. */
export const legateHere = (folder: string): Legate =>
  withJson((words, how = {}) =>
    runHere(words, {
      env: environment(folder, how),
      ...(how.input !== undefined && { stdin: how.input }),
      fetch: globalThis.fetch,
      more: { clock: Date.now, platform: process.platform, sleep: (ms) => new Promise((later) => setTimeout(later, ms)) },
    }),
  );

/** A folder that is gone after the test. */
export const temporary = () => {
  const path = mkdtempSync(join(tmpdir(), "legate-cli-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
};

/** A server on the embedded store. */
export const openLegateServer = (folder: string, env: Readonly<Record<string, string>> = {}) =>
  openServer(
    readConfig({
      LEGATE_PORT: "0",
      LEGATE_ADMIN_KEY: adminKey,
      LEGATE_DATA_DIR: join(folder, "data"),
      LEGATE_EGRESS_ALLOW: "127.0.0.0/8",
      LEGATE_LOG_LEVEL: "silent",
      ...env,
    }),
  );
