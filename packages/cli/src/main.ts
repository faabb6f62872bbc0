import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { commands, groups } from "./commands/index.ts";
import { readEnvironment } from "./environment.ts";
import { runProgram } from "./program.ts";
import { start } from "./start.ts";
import type { World } from "./world.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

const world: World = {
  env: readEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  platform: process.platform,
  fetch: (input, init) => globalThis.fetch(input, init),
  clock: Date.now,
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  sleep: (ms, signal) => wait(ms, undefined, signal && { signal }),
  // Loaded only where a person types.
  ask: async (message, { hidden = false, initial } = {}) => {
    const { isCancel, password, text } = await import("@clack/prompts");
    const streams = { input: process.stdin, output: process.stderr };
    const typed = await (hidden
      ? password({ message, ...streams })
      : text({ message, ...(initial !== undefined && { initialValue: initial }), ...streams }));
    return isCancel(typed) || typed === undefined || typed === "" ? undefined : typed;
  },
  start,
  interruptible: async (act) => {
    const stop = new AbortController();
    const interrupt = () => stop.abort();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
    try {
      return await act(stop.signal);
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
    }
  },
};

// Whoever reads the answer may stop reading: that is no failure, and is told where it is written.
process.stdout.on("error", () => undefined);
process.exitCode = await runProgram({ version, groups, commands }, world, process.argv.slice(2));
