import { ConfigError, readConfig } from "../config/index.ts";
import { StoreBroken } from "../ground/db/index.ts";
import { Refusal, systemClock } from "../ground/kernel/index.ts";
import { backup } from "./backup.ts";
import { restore } from "./restore.ts";
import { Unable } from "./unable.ts";

// What an operator does to the store beside a server: `main.js backup FILE`, `main.js restore [FILE]`. Settings are the server's own.

/** What the person who asked can mend is said plainly; anything else is a fault and shows where it happened. */
const whyNot = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Unable || error instanceof ConfigError || error instanceof StoreBroken) return error.message;
  if ("syscall" in error) return `${error.message}.`;
  const { cause } = error;
  if (error instanceof Refusal && cause instanceof Error) return `${error.message} (${cause.message})`;
  return /^SqliteError$/.test(error.name) ? `${error.message}.` : (error.stack ?? error.message);
};

// Whatever it writes is for its owner only.
process.umask(0o077);

// Copying cannot be stopped halfway; whoever asked to stop meanwhile finds nothing of it afterwards.
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    stopped = true;
  });
const wanted = async (): Promise<boolean> => {
  await new Promise((turn) => setTimeout(turn, 1));
  return !stopped;
};

const [program, ...args] = process.argv.slice(2);
try {
  const config = readConfig(process.env);
  if (program !== "backup" && program !== "restore") throw new Unable("Usage: npm run backup -- FILE, or npm run restore -- FILE", 2);
  const said = program === "backup" ? await backup({ config, args, wanted }) : await restore({ config, args, clock: systemClock });
  process.stdout.write(`${said}\n`);
} catch (error) {
  process.stderr.write(`${whyNot(error)}\n`);
  process.exitCode = error instanceof Unable ? error.exitCode : 1;
}
