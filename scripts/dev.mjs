// npm run dev: compiles on every change and restarts the server when what it runs has changed.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, run, tool } from "./run.mjs";

// The first build may fail on somebody's half-written line; the watcher says so again and the server starts once there is something to run.
await run(tool("tsc"), ["-b"]);

const start = (command, args) => spawn(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
const children = [
  start(tool("tsc"), ["-b", "--watch", "--preserveWatchOutput"]),
  start(process.execPath, ["--watch", "--watch-preserve-output", "--enable-source-maps", join(root, "packages/server/dist/main.js")]),
];

const stop = () => {
  for (const child of children) child.kill("SIGTERM");
};
process.once("SIGINT", stop).once("SIGTERM", stop);
for (const child of children) child.once("exit", stop);
