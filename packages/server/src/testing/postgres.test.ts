import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findPostgres, guardian, reachesPostgres, startPostgres } from "./postgres.ts";

const programs = findPostgres();
const clusters = () => readdirSync(tmpdir()).filter((name) => name.startsWith("legate-postgres-"));

/** The account the server runs under when we are root; undefined keeps our own. */
const uidOf = (name: string): number | undefined =>
  process.getuid?.() === 0
    ? Number(readFileSync("/etc/passwd", "utf8").match(new RegExp(`^(?:${name}|nobody):[^:]*:(\\d+):`, "m"))?.[1])
    : undefined;

test("a PATH without the programs still finds Debian's, or none", () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-empty-"));
  const found = findPostgres(folder);
  expect(found === undefined || existsSync(join(found, "initdb"))).toBe(true);
  rmSync(folder, { recursive: true });
});

const suite = `a throw-away server${programs === undefined ? " (postgres: none found)" : ""}`;

describe.skipIf(programs === undefined)(suite, () => {
  test("answers until it is stopped, and leaves nothing behind", async () => {
    const before = new Set(clusters());
    const postgres = await startPostgres(programs ?? "");
    expect(await reachesPostgres(postgres.url)).toBe(true);
    const [folder] = clusters().filter((name) => !before.has(name));
    expect(folder).toBeDefined();
    await postgres.stop();
    expect(await reachesPostgres(postgres.url)).toBe(false);
    expect(clusters()).not.toContain(folder);
  });

  test("ends with the process that started it, even by kill -9", async () => {
    const postgres = await startPostgres(programs ?? "");
    const folder = mkdtempSync(join(tmpdir(), "legate-postgres-"));
    const port = Number(new URL(postgres.url).port);
    await postgres.stop();
    if (process.getuid?.() === 0) chmodSync(folder, 0o777);
    const [command, args] = guardian(programs ?? "", folder, port);
    const starter = spawn(
      process.execPath,
      [
        "-e",
        `const [command, args, uid] = ${JSON.stringify([command, args, uidOf("postgres")])};
         require("node:child_process").spawn(command, args, { stdio: ["pipe", "ignore", "inherit"], detached: true, cwd: "/", uid });
         setInterval(() => undefined, 1000);`,
      ],
      { stdio: "ignore" },
    );
    await expect.poll(() => reachesPostgres(postgres.url), { timeout: 20_000 }).toBe(true);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    await expect.poll(() => reachesPostgres(postgres.url), { timeout: 10_000 }).toBe(false);
    await expect.poll(() => existsSync(join(folder, "data")), { timeout: 10_000 }).toBe(false);
    rmSync(folder, { recursive: true, force: true });
  });
});
