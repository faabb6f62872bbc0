import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import pg from "pg";
import { freePort } from "./free-port.ts";

/** A PostgreSQL server that lives as long as the process that started it. */
export interface ThrowAwayPostgres {
  /** `postgres://...`, of a user who may create databases. */
  readonly url: string;
  /** Stops the server and deletes its files. */
  stop(): Promise<void>;
}

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const debianFolders = (): string[] => {
  const root = "/usr/lib/postgresql";
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, "bin"));
  } catch {
    return [];
  }
};

/** The folder that holds `postgres` and `initdb`, if this machine has them: on PATH, else where Debian puts them (newest first). */
export const findPostgres = (path = process.env["PATH"] ?? ""): string | undefined =>
  [...path.split(delimiter).filter(Boolean), ...debianFolders()].find((folder) =>
    ["postgres", "initdb"].every((program) => isProgram(join(folder, program))),
  );

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root; then it runs as `postgres`, else as `nobody`. */
const accountFor = (): Account | undefined => {
  if (userInfo().uid !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const entry = ["postgres:", "nobody:"].map((name) => lines.find((line) => line.startsWith(name))).find((line) => line !== undefined);
  if (entry === undefined) throw new Error("PostgreSQL cannot run as root, and there is no account `postgres` or `nobody`.");
  const [, , uid, gid] = entry.split(":");
  return { uid: Number(uid), gid: Number(gid) };
};

const ended = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? 1);
    else child.once("close", (code) => resolve(code ?? 1));
  });

/** Whether a PostgreSQL server takes connections at this address. */
export const reachesPostgres = async (url: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // A connection that breaks while it is opened is told twice: by the promise and as an event.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
};

/** Answers once the server takes connections; false when its process ended first. */
const answers = async (url: string, child: ChildProcess): Promise<boolean> => {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await reachesPostgres(url)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
};

const script = `
trap '' INT TERM HUP
exec 3<&0 </dev/null
"$0/initdb" --pgdata="$1/data" --username=legate --auth=trust --no-sync --encoding=UTF8 --locale=C >"$1/log" 2>&1 &&
{
  "$0/postgres" -D "$1/data" -p "$2" -h 127.0.0.1 -c unix_socket_directories= -c max_connections=300 -c shared_buffers=64MB \\
    $3 -c log_min_messages=fatal >>"$1/log" 2>&1 3<&- &
  server=$!
  { cat; kill -INT "$server"; } <&3 >/dev/null 2>&1 &
  wait "$server"
}
tail -n 5 "$1/log" >&2
cd / && rm -rf "$1"
`;

/**
 * The command line of the guardian: a shell that runs the server as long as its standard input stays open, then stops it and deletes `folder`.
 * Only the process that started it holds the other end of that pipe, so that the server ends with it however it ends, kill -9 included.
 */
export const guardian = (programs: string, folder: string, port: number, durable = false): readonly [string, readonly string[]] => [
  "/bin/sh",
  ["-c", script, programs, folder, String(port), durable ? "" : "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"],
];

/**
 * Starts a new, empty PostgreSQL on a free loopback port.
 * @param programs the folder that {@link findPostgres} found
 * @param durable whether it syncs as one in production does: for measurements; tests need none of it
 */
export const startPostgres = async (programs: string, durable = false): Promise<ThrowAwayPostgres> => {
  const account = accountFor();
  let complaint = "";
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const folder = mkdtempSync(join(tmpdir(), "legate-postgres-"));
    if (account) chownSync(folder, account.uid, account.gid);
    const port = await freePort();
    const [command, args] = guardian(programs, folder, port, durable);
    const child = spawn(command, args, {
      ...account,
      cwd: folder,
      detached: true,
      stdio: ["pipe", "ignore", "pipe"],
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" },
    });
    complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-4000);
    });
    const stop = async (): Promise<void> => {
      child.stdin.end();
      await ended(child);
      rmSync(folder, { recursive: true, force: true });
    };
    const url = `postgres://legate@127.0.0.1:${port}/postgres`;
    if (await answers(url, child)) {
      // The guardian outlives us only until the pipe closes, so that it need not keep us alive.
      child.unref();
      return { url, stop };
    }
    await stop();
  }
  throw new Error(`PostgreSQL did not start: ${complaint.trim()}`);
};
