import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** A port that nobody listens on now. */
export const freePort = async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
};

/** Starts the built server on a folder of its own; answers once it is ready. Nothing of the caller's environment reaches its settings. */
export const startServer = async (settings = {}) => {
  const folder = mkdtempSync(join(tmpdir(), "legate-conformance-"));
  const port = await freePort();
  const adminKey = randomBytes(24).toString("base64url");
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LEGATE|OTEL)_/.test(name));
  const child = spawn(process.execPath, [join(root, "packages/server/dist/main.js")], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...Object.fromEntries(inherited),
      LEGATE_PORT: String(port),
      LEGATE_DATA_DIR: join(folder, "data"),
      LEGATE_ADMIN_KEY: adminKey,
      LEGATE_LOG_LEVEL: "error",
      ...settings,
    },
  });
  const url = `http://127.0.0.1:${port}`;
  const alive = () => child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (alive()) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 20_000;
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    if (!alive() || Date.now() > deadline) {
      await stop();
      throw new Error("The server did not become ready.");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** Asks an operation with a bearer credential (the admin key unless said) and answers the parsed body; a refusal throws. */
  const ask = async (method, path, body, bearer = adminKey) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  return { url, adminKey, ask, alive, stop };
};
