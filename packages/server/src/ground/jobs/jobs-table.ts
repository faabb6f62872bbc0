import type { Handle } from "../db/index.ts";

/** Jobs are the installation's: no tenant owns one. */
const nobody = "";

/** The statements of this room. */
export const jobsTable = {
  /** Makes the row of a job that was never done. */
  ensure: async (tx: Handle, name: string): Promise<void> => {
    await tx
      .insertInto("jobs")
      .values({ tenant_id: nobody, name, owner: null, lease_until: 0, done_at: 0 })
      .onConflict((c) => c.columns(["tenant_id", "name"]).doNothing())
      .execute();
  },

  /**
   * Takes the lease of a job that is due and that nobody holds. A lease that ends later than any could, or a job done later than now, was written
   * before a clock was set back: neither counts.
   */
  take: async (tx: Handle, name: string, owner: string, now: number, leaseLife: number, every: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("jobs")
      .set({ owner, lease_until: now + leaseLife })
      .where("tenant_id", "=", nobody)
      .where("name", "=", name)
      .where((eb) => eb.or([eb("lease_until", "<=", now), eb("lease_until", ">", now + leaseLife)]))
      .where((eb) => eb.or([eb("done_at", "<=", now - every), eb("done_at", ">", now)]))
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  },

  /** Answers whether it is still the owner's. */
  extend: async (tx: Handle, name: string, owner: string, until: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("jobs")
      .set({ lease_until: until })
      .where("tenant_id", "=", nobody)
      .where("name", "=", name)
      .where("owner", "=", owner)
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  },

  /** Hands the lease on; `doneAt` is left out where the job was not finished. */
  release: async (tx: Handle, name: string, owner: string, doneAt: number | undefined): Promise<void> => {
    await tx
      .updateTable("jobs")
      .set({ owner: null, lease_until: 0, ...(doneAt !== undefined && { done_at: doneAt }) })
      .where("tenant_id", "=", nobody)
      .where("name", "=", name)
      .where("owner", "=", owner)
      .execute();
  },
};
