import fc from "fast-check";
import { expect, test } from "vitest";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import type { Db } from "../db/index.ts";
import { makeAudit } from "./audit.ts";
import type { AuditEvent, AuditFilter } from "./audit-event.ts";
import { auditTable } from "./audit-table.ts";
import { markOf, mayHold, usualBitsPerId, widest } from "./block-filter.ts";
import { blocksTable } from "./blocks-table.ts";
import { filtersTable } from "./filters-table.ts";
import { makeSealer } from "./sealer.ts";
import type { Reach } from "./search.ts";

const everything = Number.MAX_SAFE_INTEGER;
/** Where the time of these events begins. */
const start = 1_000_000;
/** So small that it answers yes to nearly everything. */
const uselessBits = 0.1;

const agents = ["agt_a", "agt_b", "agt_c"];
const users = ["usr_a", "usr_b"];
const none = fc.constant(undefined);
const mostly = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: none });
const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 3, arbitrary: none }, { weight: 1, arbitrary });

/** What happens to a store: events are recorded, some late or long after, what waits is sealed, and the oldest blocks are cut. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("record" as const),
        // Most within a few milliseconds of each other, some further apart than a filter spans.
        at: fc.oneof(
          { weight: 5, arbitrary: fc.integer({ min: 0, max: 12 }) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 * widest }) },
        ),
        agent: mostly(fc.constantFrom(...agents)),
        user: mostly(fc.constantFrom(...users)),
        action: fc.constantFrom("thing.made", "thing.read", "other.read"),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("seal" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), blocks: fc.integer({ min: 1, max: 2 }) }) },
  ),
  { minLength: 10, maxLength: 40, size: "max" },
);

const filters: fc.Arbitrary<AuditFilter> = fc.record({
  agent: mostly(fc.constantFrom(...agents, ...agents, "agt_unknown")),
  user: seldom(fc.constantFrom(...users, "usr_unknown")),
  action: seldom(fc.constantFrom("thing.made", "thing.*")),
  from: seldom(fc.integer({ min: start, max: start + 20 })),
  to: seldom(fc.oneof(fc.integer({ min: start, max: start + 20 }), fc.constant(start + 3 * widest))),
});

const reaches: fc.Arbitrary<Reach> = fc.oneof(
  fc.record({ filters: fc.integer({ min: 1, max: 3 }), slices: fc.integer({ min: 1, max: 3 }), rows: fc.integer({ min: 1, max: 4 }) }),
  fc.constant({ filters: 1_000, slices: 1_000, rows: 100 }),
);

const matches = (event: AuditEvent, { agent, user, action, from, to }: AuditFilter): boolean =>
  (agent === undefined || event.agent === agent) &&
  (user === undefined || event.user === user) &&
  (action === undefined || (action.endsWith("*") ? event.action.startsWith(action.slice(0, -1)) : event.action === action)) &&
  (from === undefined || event.at >= from) &&
  (to === undefined || event.at < to);

const newestFirst = (one: AuditEvent, other: AuditEvent): number => other.at - one.at || (one.id < other.id ? 1 : -1);

const thing = (id: string, at: number, agent?: string, user?: string, action = "thing.read"): AuditEvent => ({
  id,
  at,
  action,
  outcome: "done",
  callerKind: "operator",
  callerId: "op_1",
  agent,
  user,
  target: undefined,
  requestId: "req_1",
  address: undefined,
  details: {},
});

const record = (db: Db, tenant: string, event: AuditEvent): Promise<void> => db.write((tx) => auditTable.insert(tx, [{ tenant, event }]));

/** Cuts as many of the blocks that still have events as retention would: the first. */
const cut = async (db: Db, tenant: string, count: number): Promise<ReadonlySet<string>> => {
  const uncut = (await blocksTable.blocks(db.read, tenant, 1, everything, 1_000)).filter(({ events }) => events !== undefined);
  const gone = uncut.slice(0, count);
  for (const block of gone) await db.write((tx) => blocksTable.cut(tx, tenant, block));
  return new Set(gone.flatMap(({ events }) => events?.map(([, id]) => id) ?? []));
};

/** All pages of a list; `between` runs after each. */
const allPages = async (
  { list }: ReturnType<typeof makeAudit>,
  tenant: string,
  filter: AuditFilter,
  limit: number,
  between: () => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly AuditEvent[]> => {
  const found: AuditEvent[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 2_000; page += 1) {
    const { items, nextCursor } = await list(tenant, filter, { limit, cursor });
    expect(items.length).toBeLessThanOrEqual(limit);
    found.push(...items);
    if (nextCursor === undefined) return found;
    cursor = nextCursor;
    await between();
  }
  throw new Error("There is always another page.");
};

eachStore("the record of an agent or a user", (fresh) => {
  test("is all that names it, each event once and in exact order, whatever was sealed, came late or was cut", async () => {
    const ground = await openGround(await fresh());
    const { db, clock } = ground;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        steps,
        filters,
        reaches,
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(usualBitsPerId, 1, uselessBits),
        async (story, filter, reach, limit, bitsPerId) => {
          runs += 1;
          const tenant = `t${runs}`;
          const sealer = makeSealer({ db, clock, bitsPerId });
          let events: readonly AuditEvent[] = [];
          for (const [n, step] of story.entries()) {
            if (step.do === "record") {
              // Ids do not sort as they were made: replicas make them side by side.
              const event = thing(`evt_${(n * 7) % 41}_${n}`, start + step.at, step.agent, step.user, step.action);
              await record(db, tenant, event);
              events = [...events, event];
            } else if (step.do === "seal") await sealer.seal(tenant);
            else {
              const gone = await cut(db, tenant, step.blocks);
              events = events.filter(({ id }) => !gone.has(id));
            }
          }
          const expected = events.filter((event) => matches(event, filter)).sort(newestFirst);
          const audit = makeAudit({ ...ground, reach });
          expect(await allPages(audit, tenant, filter, limit)).toEqual(expected);
          // Once more, while what waits is sealed from page to page, at the same time as the next is read.
          const sealing: Promise<void>[] = [];
          const sealed = await allPages(audit, tenant, filter, limit, () => {
            if (sealing.length === 0) sealing.push(sealer.seal(tenant));
            return Promise.resolve();
          });
          await Promise.all(sealing);
          expect(sealed).toEqual(expected);
          await sealer.seal(tenant);
          expect(await allPages(audit, tenant, filter, limit)).toEqual(expected);
        },
      ),
      { numRuns: db.engine === "sqlite" ? 80 : 25 },
    );
    await db.close();
  }, 120_000);

  test("is whole while the sealer takes what was recorded, however often it comes between two reads", async () => {
    const ground = await openGround(await fresh());
    const { db, clock } = ground;
    const sealer = makeSealer({ db, clock });
    for (const every of [1, 2, 3, 5]) {
      const tenant = `every-${every}`;
      let events: readonly AuditEvent[] = [];
      for (let n = 0; n < 40; n += 1) {
        const event = thing(`evt_${String(n).padStart(3, "0")}`, start + ((n * 17) % 40), agents[n % 3]);
        await record(db, tenant, event);
        events = [...events, event];
      }
      // After each statement that reads something new is recorded, and after some of them all that waits is sealed.
      let reads = 0;
      const read = db.read.withPlugin({
        transformQuery: ({ node }) => node,
        transformResult: async ({ result }) => {
          reads += 1;
          if (reads % every === 0) await sealer.seal(tenant);
          await record(db, tenant, thing(`evt_new_${reads}`, start + 1_000 + reads, "agt_a"));
          return result;
        },
      });
      const audit = makeAudit({ ...ground, db: { ...db, read }, reach: { filters: 2, slices: 2, rows: 7 } });
      const expected = events.filter(({ agent }) => agent === "agt_b").sort(newestFirst);
      expect(await allPages(audit, tenant, { agent: "agt_b" }, 3)).toEqual(expected);
      expect(reads).toBeGreaterThan(10);
    }
    await db.close();
  });

  test("is the same where filters take strangers for their own, and nobody else's record gets into it", async () => {
    const ground = await openGround(await fresh());
    const { db, clock, audit } = ground;
    const sealer = makeSealer({ db, clock, bitsPerId: uselessBits });
    for (let block = 0; block < 5; block += 1) {
      for (let n = 0; n < 8; n += 1)
        await record(db, "acme", thing(`evt_${block}_${n}`, start + block * 10 + n, `agt_${n}`, `usr_${block}`));
      await sealer.seal("acme");
    }
    await record(db, "globex", thing("evt_elsewhere", start, "agt_1", "usr_1"));
    await sealer.seal("globex");
    const stored = await filtersTable.before(db.read, "acme", { lastAt: everything, number: 0 }, 0, 10);
    expect(stored.map(({ filter }) => mayHold(filter, [markOf("agent", "agt_stranger")]))).toEqual(Array(5).fill(true));
    expect(await allPages(audit, "acme", { agent: "agt_stranger" }, 3)).toEqual([]);
    const ids = async (filter: AuditFilter) => (await allPages(audit, "acme", filter, 3)).map(({ id }) => id);
    expect(await ids({ agent: "agt_1" })).toEqual(["evt_4_1", "evt_3_1", "evt_2_1", "evt_1_1", "evt_0_1"]);
    expect(await ids({ user: "usr_1" })).toEqual([7, 6, 5, 4, 3, 2, 1, 0].map((n) => `evt_1_${n}`));
    expect(await ids({ user: "usr_1", agent: "agt_5" })).toEqual(["evt_1_5"]);
    await db.close();
  });

  test("is read a piece at a time: a page may be empty while another follows, and each goes on where the last broke off", async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const { db, clock } = ground;
    const sealer = makeSealer({ db, clock });
    const admin = adminOf("acme");
    await ground.audit.note(admin, "thing.made", { agent: "agt_a" });
    for (let n = 0; n < 12; n += 1) {
      hand.forward(1);
      await ground.audit.note(admin, "thing.made", { agent: "agt_b" });
      await sealer.seal("acme");
    }
    const pagesOf = async (reach: Reach, filter: AuditFilter) => {
      const audit = makeAudit({ ...ground, reach });
      const pages: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await audit.list("acme", filter, { limit: 5, cursor });
        pages.push(page.items.length);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return pages;
    };
    expect(await pagesOf({ filters: 4, slices: 100, rows: 100 }, { agent: "agt_a" })).toEqual([0, 0, 1]);
    expect(await pagesOf({ filters: 100, slices: 2, rows: 2 }, { action: "thing.unmade" })).toEqual([0, 0, 0, 0]);
    expect(await pagesOf({ filters: 100, slices: 100, rows: 100 }, { agent: "agt_a" })).toEqual([1]);
    await db.close();
  });
});
