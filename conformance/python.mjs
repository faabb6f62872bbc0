import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const cache = join(import.meta.dirname, "../node_modules/.cache/legate-conformance");

const said = ({ stdout, stderr, error }) => `${error?.message ?? ""}${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-3).join("\n");

/** Runs a program with our terminal; answers whether it succeeded in time. */
const run = (program, args, { env = {}, seconds = 600, cwd } = {}) =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit", cwd, env: { ...process.env, ...env }, timeout: seconds * 1000 });
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });

/**
 * Makes a virtual environment with exactly these packages, or takes the one an earlier run made of the same list.
 * `missing` says in plain words why there is none.
 */
export const makePython = async (requirements) => {
  const python = process.env.PYTHON ?? "python3";
  const version = spawnSync(python, ["--version"], { encoding: "utf8" });
  if (version.status !== 0) return { missing: "there is no python3 on this machine" };
  const name = createHash("sha256").update(version.stdout).update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    const making = `${folder}.${process.pid}`;
    mkdirSync(cache, { recursive: true });
    const venv = spawnSync(python, ["-m", "venv", making], { encoding: "utf8" });
    if (venv.status !== 0) {
      rmSync(making, { recursive: true, force: true });
      return { missing: `python3 cannot make a virtual environment (Debian: python3-venv)\n${said(venv)}` };
    }
    const pip = spawnSync(
      join(making, "bin/python"),
      ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r", requirements],
      { encoding: "utf8" },
    );
    if (pip.status !== 0) {
      rmSync(making, { recursive: true, force: true });
      return { missing: `the judges could not be installed from PyPI\n${said(pip)}` };
    }
    renameSync(making, folder);
  }
  // A virtual environment's scripts name the folder it was made in; its interpreter does not.
  const program = join(folder, "bin/python");
  return {
    run: (args, options) => run(program, args, options),
    /** Starts a program that ends when its standard input does. */
    start: (args, { env = {} } = {}) => spawn(program, args, { stdio: ["pipe", "inherit", "inherit"], env: { ...process.env, ...env } }),
  };
};
