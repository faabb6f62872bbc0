import { spawn } from "node:child_process";
import type { Start } from "./world.ts";

/** Signals that are for the command, not for us. */
const passedOn = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** A terminal sends these to every process in front of it, the command too. */
const fromTerminal = new Set<NodeJS.Signals>(["SIGINT", "SIGQUIT"]);

/** Starts a command with this process's streams, passes signals on, and tells how it ended. */
export const start: Start = (command, args, env) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "inherit", env: env as NodeJS.ProcessEnv });
    const inFront = process.stdin.isTTY === true;
    const handlers = passedOn.map((signal) => {
      const handler = () => void (inFront && fromTerminal.has(signal) ? undefined : child.kill(signal));
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    const done = (ended: Awaited<ReturnType<Start>>) => {
      for (const remove of handlers) remove();
      resolve(ended);
    };
    child.once("error", (error) => done({ failed: (error as { code?: string }).code ?? "error" }));
    child.once("exit", (code, signal) => done(signal ? { signal } : { code: code ?? 0 }));
  });
