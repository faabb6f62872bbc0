import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A server in a process of its own. */
export interface Running {
  readonly url: string;
  /** Resident memory now and at its highest, in MB; undefined where the system does not tell. */
  memory(): { readonly now: number; readonly peak: number } | undefined;
  /** How many files and sockets it has open; undefined where the system does not tell. */
  openFiles(): number | undefined;
  /** Lets a server that was started with `weighable` collect all its garbage and tell what is left, in MB; undefined where the system has no signals. */
  weigh(): Promise<Weight | undefined>;
  stop(): Promise<void>;
}

/** V8's heap and what hangs on it outside, and what of the process is resident, in MB. */
export interface Weight {
  readonly held: number;
  readonly resident: number;
}

/** What Node is told for a server that can be weighed. */
export const weighable: readonly string[] = ["--import", import.meta.resolve("@legate/server/testing/weigh-on-demand")];

/** Resident memory of one process; Linux tells. */
export const memoryOf = (pid: number | undefined): { readonly now: number; readonly peak: number } | undefined => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const read = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024);
    return { now: read("VmRSS"), peak: read("VmHWM") };
  } catch {
    return undefined;
  }
};

const openFilesOf = (pid: number | undefined): number | undefined => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
};

const running = (child: ChildProcess, url: string): Running => ({
  url,
  memory: () => memoryOf(child.pid),
  openFiles: () => openFilesOf(child.pid),
  weigh: async () => {
    if (process.platform === "win32") return undefined;
    const said = says(child, /^{"held":\d+,"resident":\d+}$/m, "stderr");
    child.kill("SIGUSR2");
    return JSON.parse(await said) as Weight;
  },
  stop: () => ended(child),
});

/** Asks a process to stop and waits until it has. */
export const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
};

/** Waits until a process says what matches, and goes on reading so that it can go on writing. @throws when it ends first */
export const says = async (child: ChildProcess, pattern: RegExp, stream: "stdout" | "stderr"): Promise<string> => {
  let text = "";
  return new Promise((resolve, reject) => {
    child[stream]?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-20_000);
      const [found] = pattern.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${child.spawnargs.slice(0, 2).join(" ")} ended before it was ready:\n${text}`)));
  });
};

const anyUrl = /http:\/\/127\.0\.0\.1:[1-9]\d*/;

/** Starts a program of this folder that prints its address. */
export const startHere = async (program: string): Promise<Running> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], { stdio: ["ignore", "pipe", "inherit"] });
  return running(child, await says(child, anyUrl, "stdout"));
};

/** Starts Legate with these settings on a free port, as it is shipped. @param nodeArgs What Node itself is told. */
export const startLegate = async (env: Readonly<Record<string, string>>, nodeArgs: readonly string[] = []): Promise<Running> => {
  const main = fileURLToPath(new URL("main.js", import.meta.resolve("@legate/server")));
  const child = spawn(process.execPath, [...nodeArgs, main], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  return running(child, await says(child, anyUrl, "stderr"));
};
