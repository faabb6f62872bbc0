import { ConfigError, readConfig } from "./config/index.ts";
import { StoreInUse } from "./ground/db/index.ts";
import { SealBroken } from "./ground/seal/index.ts";
import { openServer } from "./server.ts";

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
  // What the person who started it can mend is said plainly; anything else is a fault and shows where it happened.
  const plain = error instanceof ConfigError || error instanceof StoreInUse || error instanceof SealBroken;
  process.stderr.write(
    `Legate did not start. ${plain ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}
