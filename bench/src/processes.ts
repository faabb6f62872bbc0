import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A server in a process of its own. */
export interface Running {
  readonly url: string;
  /** Resident memory now and at its highest, in MB; undefined where the system does not tell. */
  memory(): { readonly now: number; readonly peak: number } | undefined;
  stop(): Promise<void>;
}

const memoryOf = (pid: number | undefined) => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const read = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024);
    return { now: read("VmRSS"), peak: read("VmHWM") };
  } catch {
    return undefined;
  }
};

const running = (child: ChildProcess, url: string): Running => ({
  url,
  memory: () => memoryOf(child.pid),
  stop: async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  },
});

const listening = async (child: ChildProcess, pattern: RegExp, stream: "stdout" | "stderr"): Promise<string> => {
  let text = "";
  for await (const chunk of child[stream] ?? []) {
    text += String(chunk);
    const [url] = pattern.exec(text) ?? [];
    if (url !== undefined) {
      child[stream]?.resume();
      return url;
    }
  }
  throw new Error(`the server ended before it listened:\n${text}`);
};

const anyUrl = /http:\/\/127\.0\.0\.1:\d+/;

/** Starts a program of this folder that prints its address. */
export const startHere = async (program: string): Promise<Running> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], { stdio: ["ignore", "pipe", "inherit"] });
  return running(child, await listening(child, anyUrl, "stdout"));
};

/** Starts Legate with these settings on a free port. */
export const startLegate = async (env: Readonly<Record<string, string>>): Promise<Running> => {
  const main = fileURLToPath(new URL("main.js", import.meta.resolve("@legate/server")));
  const child = spawn(process.execPath, [main], { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env["PATH"] ?? "", ...env } });
  return running(child, await listening(child, anyUrl, "stderr"));
};
