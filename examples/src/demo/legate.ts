import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

/** A Legate server in a process of its own, as `npm start` runs it. */
export interface Legate {
  readonly url: string;
  readonly adminKey: string;
  stop(): Promise<void>;
}

const mainFile = fileURLToPath(new URL("main.js", import.meta.resolve("@legate/server")));

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("No free port was found.");
  return address.port;
};

const isReady = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
};

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

/**
 * Starts the server with its data in `dataDir` and waits until it answers.
 *
 * @throws Error with what the server wrote, when it does not start
 */
export const startLegate = async (dataDir: string): Promise<Legate> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const adminKey = randomBytes(32).toString("hex");
  // Nothing of the surrounding shell's own Legate settings may reach this one.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LEGATE_") && !name.startsWith("OTEL_"));
  const child = spawn(process.execPath, [mainFile], {
    env: {
      ...Object.fromEntries(inherited),
      LEGATE_PORT: String(port),
      LEGATE_DATA_DIR: dataDir,
      LEGATE_ADMIN_KEY: adminKey,
      // The OpenID provider of this demo is on this machine; without this line Legate calls public addresses only.
      LEGATE_EGRESS_ALLOW: "127.0.0.1",
      LEGATE_LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const listen = (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-2000);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);

  const stop = async () => {
    if (!isRunning(child)) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  const deadline = Date.now() + 20_000;
  while (!(await isReady(url))) {
    if (!isRunning(child) || Date.now() > deadline) {
      await stop();
      throw new Error(`Legate did not start:\n${said.trim()}`);
    }
    await pause(50);
  }
  return { url, adminKey, stop };
};
