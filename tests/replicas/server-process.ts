import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../../packages/server/src/testing/free-port.ts";
import { sleep } from "./extent.ts";

/** A server process at one address, which may be killed and started again. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: () => number | undefined;
  /** Starts it, and answers when it is ready. @throws when it ends before that */
  readonly start: () => Promise<void>;
  /** kill -9, and answers when it is gone. */
  readonly kill: () => Promise<void>;
  /** Stops it as an operator would; answers its exit code. */
  readonly stop: () => Promise<number | null>;
  readonly isUp: () => boolean;
}

/** Those that run, so that none outlives a test that failed. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export const adminKey = "op_replicas_0123456789abcdef0123456789ab";

/** What every server of these proofs is told: its provider is on loopback, and what is measured is not how it limits a caller. */
const usual = {
  LEGATE_ADMIN_KEY: adminKey,
  LEGATE_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"),
  LEGATE_EGRESS_ALLOW: "127.0.0.0/8",
  // The same for all that share a store: it is the issuer of their tokens.
  LEGATE_PUBLIC_URL: "http://127.0.0.1:8700",
  LEGATE_RATE_LIMITS: "off",
  LEGATE_LOG_LEVEL: "warn",
};

/**
 * A server process as a person would run it, not yet started.
 * @param env beyond the usual; undefined leaves a usual one out
 * @param hear gets everything that it writes
 */
export const serverProcess = async (
  env: Readonly<Record<string, string | undefined>>,
  hear: (text: string, stream: "stdout" | "stderr") => void = () => undefined,
): Promise<ServerProcess> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let up = false;
  let lastWords = "";

  const isGone = (which: ChildProcess) => which.exitCode !== null || which.signalCode !== null;

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const which = child;
    if (!which) return null;
    up = false;
    if (!isGone(which)) {
      const gone = once(which, "exit");
      which.kill(signal);
      await gone;
    }
    if (child === which) child = undefined;
    return which.exitCode;
  };

  return {
    url,
    pid: () => child?.pid,
    isUp: () => up,
    start: async () => {
      const started = spawn(process.execPath, ["packages/server/dist/main.js"], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: process.env["PATH"] ?? "", LEGATE_PORT: String(port), ...usual, ...env },
      });
      child = started;
      running.add(started);
      started.once("exit", () => running.delete(started));
      for (const stream of ["stdout", "stderr"] as const)
        started[stream].setEncoding("utf8").on("data", (text: string) => {
          lastWords = (lastWords + text).slice(-4_000);
          hear(text, stream);
        });
      while (!isGone(started)) {
        const ready = await fetch(`${url}/readyz`).catch(() => undefined);
        await ready?.arrayBuffer().catch(() => undefined);
        if (ready?.status === 200) {
          up = true;
          return;
        }
        await sleep(20);
      }
      throw new Error(`the server did not start:\n${lastWords}`);
    },
    kill: async () => {
      await end("SIGKILL");
    },
    stop: () => end("SIGTERM"),
  };
};
