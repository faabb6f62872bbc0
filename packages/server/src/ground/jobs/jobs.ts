import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "../db/index.ts";
import type { Clock, Random } from "../kernel/index.ts";
import { jobsTable } from "./jobs-table.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  /** Hears of a run that failed; the job is tried again when it is next due. */
  readonly onFailure: (name: string, error: unknown) => void;
}

/** Something done again and again, by one replica at a time. */
export interface Job {
  /** Unique, and the same on every replica. */
  readonly name: string;
  /** Milliseconds from the end of one run, on whichever replica, to the beginning of the next. */
  readonly every: number;
  /** Whether there is anything to do. Asked before the lease is taken, so that an idle job writes nothing. */
  readonly isNeeded?: () => Promise<boolean>;
  /**
   * Does it. Another replica may have left it half done, and in the worst case (a clock that jumps) does it at the same moment: every step stands by
   * itself. When `signal` is aborted it stops after the step it is at, and what is left waits for the next run.
   */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export type Jobs = ReturnType<typeof makeJobs>;

/** Milliseconds. A replica that dies leaves its jobs to the others after this. */
const leaseLife = 30_000;
const extendEvery = 10_000;

/** Runs jobs, each on one replica at a time: whoever holds a job's lease. */
export const makeJobs = ({ db, clock, random, onFailure }: Needs) => {
  const owner = random(16).toString("hex");
  const jobs: Job[] = [];
  const stopping = new AbortController();
  // Each job listens while it waits, however many there are.
  setMaxListeners(0, stopping.signal);
  let loops: Promise<void>[] = [];

  const runOnce = async ({ name, every, isNeeded, run }: Job): Promise<void> => {
    if (isNeeded && !(await isNeeded())) return;
    const taken = await db.write(async (tx) => {
      await jobsTable.ensure(tx, name);
      return jobsTable.take(tx, name, owner, clock(), leaseLife, every);
    });
    if (!taken) return;
    const ending = new AbortController();
    const stop = () => ending.abort();
    stopping.signal.addEventListener("abort", stop, { once: true });
    if (stopping.signal.aborted) stop();
    const extending = setInterval(() => {
      db.write((tx) => jobsTable.extend(tx, name, owner, clock() + leaseLife)).then(
        (ours) => {
          if (!ours) stop();
        },
        () => undefined,
      );
    }, extendEvery);
    let done = false;
    try {
      await run(ending.signal);
      done = !ending.signal.aborted;
    } finally {
      clearInterval(extending);
      stopping.signal.removeEventListener("abort", stop);
      await db.write((tx) => jobsTable.release(tx, name, owner, done ? clock() : undefined));
    }
  };

  const pause = (milliseconds: number): Promise<unknown> =>
    sleep(milliseconds, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);

  const loop = async (job: Job): Promise<void> => {
    // Replicas that started together do not go on together.
    const jitter = () => 0.8 + random(1).readUInt8() / 640;
    while (!stopping.signal.aborted) {
      await runOnce(job).catch((error: unknown) => onFailure(job.name, error));
      await pause(job.every * jitter());
    }
  };

  return {
    /** Adds a job; those added before `start` run from then on. */
    add: (job: Job): void => {
      jobs.push(job);
    },
    start: (): void => {
      loops = jobs.map(loop);
    },
    /** Runs a job now, if it is due and nobody else does: for tests, and for whoever cannot wait. @throws what the job throws */
    runNow: async (name: string): Promise<void> => {
      const job = jobs.find((each) => each.name === name);
      if (!job) throw new Error(`There is no job ${name}.`);
      await runOnce({ ...job, every: 0 });
    },
    /** Stops each job after the step it is at, and hands its lease on. */
    close: async (): Promise<void> => {
      stopping.abort();
      await Promise.all(loops);
    },
  };
};
