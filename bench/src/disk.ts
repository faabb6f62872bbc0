import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const bringToDisk = promisify(fdatasync);
const block = Buffer.alloc(4096, 1);

/** Writes and syncs 4 KiB every tenth of a second where the stores lie, so that one sees what the disk itself did meanwhile. */
export const watchDisk = () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-bench-disk-"));
  const file = openSync(join(folder, "probe"), "w");
  let longest = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      const began = performance.now();
      writeSync(file, block, 0, block.length, 0);
      await bringToDisk(file);
      longest = Math.max(longest, performance.now() - began);
      await sleep(100);
    }
  })();
  return {
    /** The longest since one last asked, in milliseconds. */
    longest: (): number => {
      const told = longest;
      longest = 0;
      return told;
    },
    stop: async (): Promise<void> => {
      over = true;
      await watching;
      closeSync(file);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
