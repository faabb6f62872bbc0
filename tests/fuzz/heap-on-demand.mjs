// Loaded ahead of the server under test. At each SIGUSR2 it collects all that nobody holds, and says on stderr what is left.
import { Session } from "node:inspector/promises";
import { isMainThread } from "node:worker_threads";

const tell = async () => {
  const session = new Session();
  session.connect();
  // What is only finalised by the first may let go of more.
  for (let round = 0; round < 2; round += 1) await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`${JSON.stringify({ held: heapUsed + external })}\n`);
};

if (isMainThread) process.on("SIGUSR2", () => void tell());
