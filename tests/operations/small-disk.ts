import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const namespace = ["unshare", "--user", "--map-root-user", "--mount"] as const;

/** Whether this machine lets a process mount something only it can see. */
export const canMount = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), "legate-mount-"));
  try {
    execFileSync(namespace[0], [...namespace.slice(1), "sh", "-c", `mount -t tmpfs -o size=1m none '${folder}'`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

/** Words before a command that give it a real disk of its own at `folder`, so small; it is gone with the process, however that ends. */
export const withSmallDisk = (folder: string, size: string): readonly string[] => [
  ...namespace,
  "sh",
  "-c",
  `mount -t tmpfs -o size=${size},mode=700 none '${folder}' && exec "$0" "$@"`,
];

/** Runs a shell command where that process sees its disk. */
export const insideOf = (pid: number, command: string): string =>
  execFileSync("nsenter", ["--target", String(pid), "--user", "--mount", "--preserve-credentials", "sh", "-c", command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
