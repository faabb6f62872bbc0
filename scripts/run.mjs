// What the scripts share: running a tool of this workspace and saying how it went.
import { spawn } from "node:child_process";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..");

/** The path of a tool that npm installed. */
export const tool = (name) => join(root, "node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);

/** Runs a command with our terminal; answers whether it succeeded. Interrupting us interrupts it, and we wait for it to tidy up. */
export const run = (command, args, env = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, ...env },
      shell: process.platform === "win32",
    });
    const pass = (signal) => child.kill(signal);
    // The terminal sends Ctrl-C to the child as well: we only have to outlive it.
    const wait = () => undefined;
    process.on("SIGINT", wait).on("SIGTERM", pass);
    child.once("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(false);
    });
    child.once("close", (code) => {
      process.off("SIGINT", wait).off("SIGTERM", pass);
      resolve(code === 0);
    });
  });

/** Runs a named step, with a heading; answers whether it succeeded. */
export const step = async (name, command, args, env) => {
  console.log(`\n== ${name}`);
  const passed = await run(command, args, env);
  if (!passed) console.log(`!! ${name} failed`);
  return passed;
};
