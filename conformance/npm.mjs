import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const cache = join(import.meta.dirname, "../node_modules/.cache/legate-conformance");

/**
 * Installs what a folder's lock file names, into a folder of its own, or takes what an earlier run installed from the same lock. No script of theirs
 * runs. `missing` says in plain words why there is none.
 */
export const makeNpm = (folder) => {
  const lock = join(folder, "package-lock.json");
  const name = createHash("sha256").update(process.version).update(readFileSync(lock)).digest("hex").slice(0, 16);
  const made = join(cache, `npm-${name}`);
  if (!existsSync(made)) {
    const making = `${made}.${process.pid}`;
    mkdirSync(making, { recursive: true });
    for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(folder, file), join(making, file));
    const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-engine-strict", "--loglevel=error"], {
      cwd: making,
      encoding: "utf8",
    });
    if (npm.status !== 0) {
      rmSync(making, { recursive: true, force: true });
      return {
        missing: `the judges could not be installed from the npm registry\n${(npm.stderr ?? "").trim().split("\n").slice(-3).join("\n")}`,
      };
    }
    renameSync(making, made);
  }
  return { modules: join(made, "node_modules") };
};
