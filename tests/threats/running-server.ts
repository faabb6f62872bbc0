import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../../packages/server/src/testing/free-port.ts";

/** A server that runs as a person would run it, and all it has written. */
export interface RunningServer {
  readonly url: string;
  readonly written: () => { readonly stdout: string; readonly stderr: string };
  /** Answers its exit code. */
  readonly stop: () => Promise<number | null>;
}

/** Starts the server with this environment and nothing else; one that ends before it listens answers without a `url`. */
export const runServer = async (env: Readonly<Record<string, string>>): Promise<RunningServer> => {
  const port = await freePort();
  const child: ChildProcess = spawn(process.execPath, ["packages/server/dist/main.js"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", LEGATE_PORT: String(port), ...env },
  });
  const written = { stdout: "", stderr: "" };
  const closed = once(child, "close");
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      written[stream] += text;
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const up = async (): Promise<string> => {
    while (child.exitCode === null) {
      const ready = await fetch(`${url}/readyz`).catch(() => undefined);
      await ready?.arrayBuffer();
      if (ready?.status === 200) return url;
      await new Promise((later) => setTimeout(later, 30));
    }
    return "";
  };
  return {
    url: await up(),
    written: () => ({ ...written }),
    stop: async () => {
      child.kill("SIGTERM");
      await closed;
      return child.exitCode;
    },
  };
};
