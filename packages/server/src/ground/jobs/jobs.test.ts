import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { eachStore, handClock } from "../../testing/stores.ts";
import { type Db, openDb, type StoreAddress } from "../db/index.ts";
import { systemRandom } from "../kernel/index.ts";
import { type Job, makeJobs } from "./index.ts";

const minute = 60_000;
const hour = 60 * minute;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0).toReversed()) await close();
});

const latch = () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

const openStore = async (address: StoreAddress) => {
  const db = await openDb(address);
  closing.push(() => db.close());
  return { db, hand: handClock() };
};

/** A replica with one job, and what became of it. One that is never closed is one that died. */
const replica = ({ db, hand }: { db: Db; hand: ReturnType<typeof handClock> }, job: Partial<Job> = {}) => {
  const failures: string[] = [];
  let runs = 0;
  const jobs = makeJobs({
    db,
    clock: hand.clock,
    random: systemRandom,
    onFailure: (name, error) => failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`),
  });
  jobs.add({
    name: "sweep",
    every: minute,
    ...job,
    run: async (signal) => {
      runs += 1;
      await job.run?.(signal);
    },
  });
  return { jobs, failures, runs: () => runs, now: () => jobs.runNow("sweep") };
};

eachStore("a job", (fresh) => {
  test("runs on one replica at a time, and on another once that is done", async () => {
    const store = await openStore(await fresh());
    const goOn = latch();
    const one = replica(store, { run: () => goOn.opened });
    const others = [replica(store), replica(store), replica(store)];
    const running = one.now();
    await vi.waitFor(() => expect(one.runs()).toBe(1));
    await Promise.all(others.map((other) => other.now()));
    expect(others.map((other) => other.runs())).toEqual([0, 0, 0]);
    goOn.open();
    await running;
    await others[0]?.now();
    expect(others[0]?.runs()).toBe(1);
  });

  test("of many that reach for it at once is got by one", async () => {
    const store = await openStore(await fresh());
    const goOn = latch();
    const all = [...Array(8)].map(() => replica(store, { run: () => goOn.opened }));
    const running = Promise.all(all.map((each) => each.now()));
    await pause(300);
    expect(all.reduce((sum, each) => sum + each.runs(), 0)).toBe(1);
    goOn.open();
    await running;
  });

  test("of a replica that died is another's when its lease ends, and not before", async () => {
    const store = await openStore(await fresh());
    const never = latch();
    const dead = replica(store, { run: () => never.opened });
    void dead.now().catch(() => undefined);
    await vi.waitFor(() => expect(dead.runs()).toBe(1));
    const heir = replica(store);
    store.hand.forward(29_000);
    await heir.now();
    expect(heir.runs()).toBe(0);
    store.hand.forward(1_000);
    await heir.now();
    expect(heir.runs()).toBe(1);
    never.open();
  });

  test("that lasts long keeps its lease, and is told to stop once it lost it", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const store = await openStore(await fresh());
    const goOn = latch();
    let stopped = false;
    const long = replica(store, {
      run: async (signal) => {
        await goOn.opened;
        stopped = signal.aborted;
      },
    });
    const running = long.now();
    await vi.waitFor(() => expect(long.runs()).toBe(1));
    const other = replica(store);
    const leaseOf = async () => (await store.db.read.selectFrom("jobs").select("lease_until").execute())[0]?.lease_until;
    for (let n = 0; n < 6; n += 1) {
      store.hand.forward(10_000);
      vi.advanceTimersByTime(10_000);
      await vi.waitFor(async () => expect(await leaseOf()).toBe(store.hand.clock() + 30_000));
      await other.now();
    }
    expect(other.runs()).toBe(0);
    // Frozen for a while, as a machine may be: another takes over.
    store.hand.forward(31_000);
    await other.now();
    expect(other.runs()).toBe(1);
    vi.advanceTimersByTime(10_000);
    await pause(100);
    goOn.open();
    await running;
    expect(stopped).toBe(true);
  });

  test("is handed on at once by a replica that stops", async () => {
    const store = await openStore(await fresh());
    const stopping = replica(store, {
      run: async (signal) => {
        await once(signal, "abort");
      },
    });
    stopping.jobs.start();
    await vi.waitFor(() => expect(stopping.runs()).toBe(1));
    const heir = replica(store);
    await heir.now();
    expect(heir.runs()).toBe(0);
    await stopping.jobs.close();
    // It was not finished, so that the next need not wait for its time either.
    heir.jobs.start();
    await vi.waitFor(() => expect(heir.runs()).toBe(1));
    await heir.jobs.close();
  });

  test("is not done again before its time, by whichever replica", async () => {
    const store = await openStore(await fresh());
    const first = replica(store, { every: 50 });
    first.jobs.start();
    await vi.waitFor(() => expect(first.runs()).toBe(1));
    const second = replica(store, { every: 50 });
    second.jobs.start();
    await pause(300);
    expect(first.runs() + second.runs()).toBe(1);
    store.hand.forward(50);
    await vi.waitFor(() => expect(first.runs() + second.runs()).toBe(2));
    await pause(200);
    expect(first.runs() + second.runs()).toBe(2);
    await first.jobs.close();
    await second.jobs.close();
  });

  for (const [way, jump] of [
    ["back", -hour],
    ["forward", hour],
  ] as const)
    test(`does not stall when the clock is set ${way} an hour`, async () => {
      const store = await openStore(await fresh());
      const never = latch();
      const done = replica(store, { every: 20 });
      done.jobs.start();
      await vi.waitFor(() => expect(done.runs()).toBe(1));
      store.hand.forward(jump);
      await vi.waitFor(() => expect(done.runs()).toBe(2));
      // A lease that was taken before the jump is no lease for an hour either.
      await done.jobs.close();
      const dead = replica(store, { run: () => never.opened });
      void dead.now().catch(() => undefined);
      await vi.waitFor(() => expect(dead.runs()).toBe(1));
      store.hand.forward(jump);
      const heir = replica(store);
      await heir.now();
      expect(heir.runs()).toBe(1);
      never.open();
    });

  test("that fails says so and is tried again", async () => {
    const store = await openStore(await fresh());
    let fail = true;
    const failing = replica(store, {
      every: 20,
      run: () => (fail ? Promise.reject(new Error("out of paper")) : Promise.resolve()),
    });
    failing.jobs.start();
    await vi.waitFor(() => expect(failing.failures.length).toBeGreaterThan(2));
    expect(new Set(failing.failures)).toEqual(new Set(["sweep: out of paper"]));
    fail = false;
    const before = failing.failures.length;
    await vi.waitFor(() => expect(failing.runs()).toBeGreaterThan(before));
    await failing.jobs.close();
  });

  test("may be one of many", async () => {
    const store = await openStore(await fresh());
    const warnings: string[] = [];
    const hear = ({ message }: Error) => void warnings.push(message);
    process.on("warning", hear);
    closing.push(() => Promise.resolve(process.off("warning", hear)));
    const many = replica(store, { isNeeded: () => Promise.resolve(false) });
    for (let n = 0; n < 30; n += 1)
      many.jobs.add({ name: `idle ${n}`, every: minute, isNeeded: () => Promise.resolve(false), run: () => Promise.resolve() });
    many.jobs.start();
    await pause(200);
    await many.jobs.close();
    expect(warnings).toEqual([]);
  });

  test("that has nothing to do writes nothing", async () => {
    const store = await openStore(await fresh());
    let writes = 0;
    const counted: Db = { ...store.db, write: (unit) => ((writes += 1), store.db.write(unit)) };
    let needed = false;
    const idle = replica({ ...store, db: counted }, { every: 10, isNeeded: () => Promise.resolve(needed) });
    idle.jobs.start();
    await pause(200);
    expect([idle.runs(), writes]).toEqual([0, 0]);
    needed = true;
    await vi.waitFor(() => expect(idle.runs()).toBe(1));
    await idle.jobs.close();
  });
});
