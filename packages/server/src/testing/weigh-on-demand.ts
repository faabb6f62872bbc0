// Loaded ahead of a server under test (`--import`). At each SIGUSR2 it collects all that nobody holds and says on stderr, in MiB, what is left.
import { isMainThread } from "node:worker_threads";
import { collectGarbage } from "./collect-garbage.ts";

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

const weigh = async () => {
  // What is only finalised by the first may let go of more.
  await collectGarbage();
  await collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.stderr.write(`{"held":${mib(heapUsed + external)},"resident":${mib(rss)}}\n`);
};

if (isMainThread) process.on("SIGUSR2", () => void weigh());
