import { ConfigError, readConfig } from "./config/index.ts";
import { StoreBroken, StoreInUse } from "./ground/db/index.ts";
import { Refusal } from "./ground/kernel/index.ts";
import { SealBroken } from "./ground/seal/index.ts";
import { openServer } from "./server.ts";

/** What the person who started it can mend is said plainly; anything else is a fault and shows where it happened. */
const whyNot = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ConfigError || error instanceof StoreInUse || error instanceof StoreBroken || error instanceof SealBroken)
    return error.message;
  // A port that is taken, a file that is not there, a store that does not answer.
  if ("syscall" in error) return `${error.message}.`;
  const { cause } = error;
  if (error instanceof Refusal && cause instanceof Error) return `${error.message} (${"code" in cause ? String(cause.code) : cause.name})`;
  return error.stack ?? error.message;
};

// Whatever it writes is for its owner only.
process.umask(0o077);

try {
  const server = await openServer(readConfig(process.env), (text) => process.stderr.write(text));
  let stopping = false;
  const stop = () => {
    // A second signal means now.
    if (stopping) process.exit(1);
    stopping = true;
    server.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
} catch (error) {
  process.stderr.write(`Legate did not start. ${whyNot(error)}\n`);
  process.exit(1);
}
