import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** A fenced block of a document whose info string carries a mark; with `terminal` it is left running in a terminal of its own. */
export interface Block {
  readonly language: string;
  readonly terminal: boolean;
  readonly text: string;
}

/** The blocks marked so, in the order in which they are read. */
export const blocksOf = (document: string, mark: string): readonly Block[] =>
  [...document.matchAll(new RegExp(`^\`\`\`(\\w+) ${mark}( terminal)?\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, language = "", terminal, text = ""]) => ({
      language,
      terminal: terminal !== undefined,
      text,
    }),
  );

/** A shell with its output so far, and a way to wait for what it will say. */
export const openShell = (env: Readonly<Record<string, string>>) => {
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
export type Shell = ReturnType<typeof openShell>;

/** The JSON documents that commands printed, one after another. */
export const documentsIn = (text: string): unknown[] =>
  text
    .split(/(?<=\})\s*(?=\{)/)
    .filter((part) => part.trim().startsWith("{"))
    .map((part) => JSON.parse(part) as unknown);

const isMoment = (value: unknown) => typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value);

/** What a printed answer must look like to be the one shown: what ends in three dots or is a moment is an example, the rest is literal. */
export const likeShown = (shown: unknown): unknown => {
  // Numbers are seconds that are left.
  if (typeof shown === "number") return expect.any(Number);
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

export const hasCurl = spawnSync("curl", ["--version"]).status === 0;

let commands = 0;
/** Types a block as a person would, and answers what it printed. */
export const typed = async (shell: Shell, text: string): Promise<string> => {
  commands += 1;
  shell.type(`echo "begin-${commands}"\n${text}\necho "end-${commands}"\n`);
  return (await shell.heard(new RegExp(`begin-${commands}\\n(.*)end-${commands}\\n`, "s")))[1] ?? "";
};
