import pg from "pg";
import { expect } from "vitest";
import type { Db, Handle, StoreAddress } from "../ground/db/index.ts";

/** Waits until a statement waits for what another transaction holds. On SQLite, where one transaction comes after the other, there is nothing to wait for. */
const someoneWaits = async (address: StoreAddress): Promise<void> => {
  if (address.engine !== "postgres") return;
  const watcher = new pg.Client({ connectionString: address.url });
  await watcher.connect();
  try {
    const waiting = async () => {
      const { rows } = await watcher.query<{ count: string }>(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      return Number(rows[0]?.count);
    };
    await expect.poll(waiting, { timeout: 20_000, interval: 10 }).toBeGreaterThan(0);
  } finally {
    await watcher.end();
  }
};

/**
 * Runs two writes that meet: the first reads and locks what it will change, the second begins and comes as far as it can, the first writes and
 * commits, the second goes on.
 */
export const meeting = async <T>(
  { db, address }: { readonly db: Db; readonly address: StoreAddress },
  first: { readonly lock: (tx: Handle) => Promise<T | undefined>; readonly write: (tx: Handle, locked: T) => Promise<unknown> },
  second: () => Promise<unknown>,
): Promise<void> => {
  let isLocked = (): void => undefined;
  let goOn = (): void => undefined;
  const locked = new Promise<void>((resolve) => (isLocked = resolve));
  const turn = new Promise<void>((resolve) => (goOn = resolve));
  const writing = db.write(async (tx) => {
    const found = await first.lock(tx);
    if (found === undefined) throw new Error("There is nothing to lock.");
    isLocked();
    await turn;
    await first.write(tx, found);
  });
  await Promise.race([locked, writing]);
  const others = second();
  await someoneWaits(address);
  goOn();
  await Promise.all([writing, others]);
};
