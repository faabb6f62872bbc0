import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { dirname } from "node:path";
import { type Answer, call as callAs } from "../call.ts";
import { freePort } from "../../packages/server/src/testing/free-port.ts";

export const adminKey = "op_operations_0123456789abcdef01234567";
export const masterKey = Buffer.alloc(32, 7).toString("base64");

const main = "packages/server/dist/main.js";

export const sleep = (milliseconds: number) => new Promise((later) => setTimeout(later, milliseconds));

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the store is, as settings. */
export const storeIn = (store: StoreAddress): Environment =>
  store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: store.url };

const environment = (port: number, env: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      PATH: process.env["PATH"] ?? "",
      LEGATE_PORT: String(port),
      LEGATE_ADMIN_KEY: adminKey,
      LEGATE_MASTER_KEY: masterKey,
      LEGATE_PUBLIC_URL: "http://127.0.0.1:8700",
      LEGATE_EGRESS_ALLOW: "127.0.0.0/8",
      LEGATE_RATE_LIMITS: "off",
      LEGATE_LOG_LEVEL: "warn",
      ...env,
    }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

/** A server process as an operator runs it, and all it has written. */
export interface Running {
  readonly url: string;
  readonly pid: number;
  readonly written: () => string;
  /** Answers the exit code, null when it was killed. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** A server that ended before it was ready. */
export class NotStarted extends Error {
  readonly code: number | null;
  constructor(written: string, code: number | null) {
    super(written);
    this.code = code;
  }
}

/**
 * Starts a server and answers when it is ready.
 * @param wrap Words before the command: what it is run by
 * @throws NotStarted with what it wrote
 */
export const startServer = async (env: Environment, wrap: readonly string[] = []): Promise<Running> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child: ChildProcess = spawn(wrap[0] ?? process.execPath, [...wrap.slice(1), ...(wrap.length > 0 ? [process.execPath] : []), main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(port, env),
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      written += text;
    });
  const closed = once(child, "close");
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  for (;;) {
    if (isGone()) {
      await closed;
      throw new NotStarted(written, child.exitCode);
    }
    const ready = await fetch(`${url}/readyz`).catch(() => undefined);
    await ready?.arrayBuffer().catch(() => undefined);
    if (ready?.status === 200) break;
    await sleep(20);
  }
  return {
    url,
    pid: child.pid ?? 0,
    written: () => written,
    stop: async (signal = "SIGTERM") => {
      if (!isGone()) child.kill(signal);
      await closed;
      return child.exitCode;
    },
  };
};

/** One of the programs that stand beside a server, run to its end. */
export const runMaintenance = (
  env: Environment,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ["packages/server/dist/maintenance/main.js", ...args],
      { env: environment(0, { ...env, LEGATE_PORT: undefined }), encoding: "utf8" },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
  });

/** One request, as the admin unless another credential is named. */
export const call = (
  method: string,
  url: string,
  bearer: string | undefined = adminKey,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
): Promise<Answer> => callAs(method, url, bearer, body, headers);

/** As the admin. @throws when the answer is no success */
export const must = async (method: string, url: string, body?: unknown): Promise<Record<string, unknown>> => {
  const { status, text, json } = await call(method, url, adminKey, body);
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${text.slice(0, 300)}`);
  return json;
};

/** The code of a refusal. */
export const codeOf = ({ json }: Answer): unknown => (json["error"] as { code?: unknown } | undefined)?.code;

/** Names of the agents there are. */
export const agentNames = async (url: string): Promise<ReadonlySet<string>> => {
  const names = new Set<string>();
  let cursor: unknown;
  do {
    const page = await must("GET", `${url}/v1/agents?limit=500${typeof cursor === "string" ? `&cursor=${cursor}` : ""}`);
    for (const { name } of page["items"] as readonly { readonly name: string }[]) names.add(name);
    cursor = page["nextCursor"];
  } while (cursor !== undefined);
  return names;
};

/** Writers that make agents without end until they are stopped. */
export const keepWriting = (url: string, writers: number, prefix: string) => {
  const acknowledged: string[] = [];
  const refused: { readonly status: number; readonly code: unknown; readonly retryAfter: string | null }[] = [];
  const broken: string[] = [];
  let slowest = 0;
  let stopped = false;
  const loops = [...Array(writers).keys()].map(async (writer) => {
    for (let n = 0; !stopped; n += 1) {
      const name = `${prefix}-${writer}-${n}`;
      const began = performance.now();
      try {
        const answer = await call("POST", `${url}/v1/agents`, adminKey, { name });
        if (answer.status === 201) acknowledged.push(name);
        else {
          refused.push({ status: answer.status, code: codeOf(answer), retryAfter: answer.headers.get("retry-after") });
          await sleep(20);
        }
      } catch (error) {
        broken.push(String((error as { cause?: unknown }).cause ?? error));
        await sleep(20);
      }
      slowest = Math.max(slowest, performance.now() - began);
    }
  });
  return {
    acknowledged,
    refused,
    broken,
    /** Milliseconds that the slowest answer took since the last time this was asked. */
    slowest: () => {
      const most = slowest;
      slowest = 0;
      return most;
    },
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
    },
  };
};
