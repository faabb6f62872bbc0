import type { Db } from "../db/index.ts";
import type { Place } from "../kernel/index.ts";
import type { AuditEvent, AuditFilter } from "./audit-event.ts";
import { auditTable, type Span } from "./audit-table.ts";
import { markOf, mayHold, widest } from "./block-filter.ts";
import { blocksTable } from "./blocks-table.ts";
import { type FilterPlace, filtersTable } from "./filters-table.ts";

/** How much one search reads at most before it answers what it has. */
export interface Reach {
  /** Of blocks. */
  readonly filters: number;
  /** Of events, so many rows each: others work in between. */
  readonly slices: number;
  readonly rows: number;
}

const usualReach: Reach = { filters: 20_000, slices: 100, rows: 1_000 };
/** Filters read at once. */
const atOnce = 100;

/** What was found, newest first; `stopped` says where it broke off, if it did: all before that place was not looked at. */
export interface Found {
  readonly events: readonly AuditEvent[];
  readonly stopped?: Place;
}

const turn = (): Promise<unknown> => new Promise(setImmediate);

const isBefore = (one: Place, other: Place): boolean => one.at < other.at || (one.at === other.at && one.id < other.id);
const earlier = (one: Place, other: Place): Place => (isBefore(one, other) ? one : other);
const later = (one: Place, other: Place): Place => (isBefore(one, other) ? other : one);
/** Before every event of a moment. */
const beginOf = (at: number): Place => ({ at, id: "" });

const spanOf = ({ from, to }: AuditFilter, place: Place | undefined): Span => ({
  from: beginOf(from ?? Number.MIN_SAFE_INTEGER),
  before: earlier(place ?? beginOf(Number.MAX_SAFE_INTEGER), beginOf(to ?? Number.MAX_SAFE_INTEGER)),
});

/**
 * Finds events, newest first. No index says which events name an agent or a user: such an index costs each write a random page. Each sealed block says
 * which may be among its events, and only spans of blocks that may hold what is asked for are read, always by place, so the order needs no sorting.
 */
export const makeSearch = ({ read }: Pick<Db, "read">, reach: Reach = usualReach) => {
  /** Looks through a span slice by slice, and remembers how far it came. */
  const makeLook = (tenant: string, filter: AuditFilter, { before }: Span, limit: number) => {
    const events: AuditEvent[] = [];
    let [place, slices] = [before, 0];
    return {
      /** All that is at `place` or later has been looked at. */
      place: () => place,
      /** There is nothing, before the place where it is, that is at this place or later. */
      passTo: (to: Place) => {
        place = earlier(place, to);
      },
      /** Looks at all that is left from a place on; answers whether it got through. */
      through: async (from: Place): Promise<boolean> => {
        while (isBefore(from, place)) {
          if (slices === reach.slices) return false;
          slices += 1;
          const end = (await auditTable.placeAt(read, tenant, { from, before: place }, reach.rows)) ?? from;
          events.push(...(await auditTable.list(read, tenant, filter, { from: end, before: place }, limit - events.length)));
          if (events.length >= limit) return false;
          place = end;
          await turn();
        }
        return true;
      },
      done: (): Found => ({ events }),
      stopped: (): Found => ({ events, stopped: place }),
    };
  };

  return async (tenant: string, filter: AuditFilter, cursor: Place | undefined, limit: number): Promise<Found> => {
    const span = spanOf(filter, cursor);
    const { agent, user, action } = filter;
    if (agent === undefined && user === undefined && action === undefined)
      return { events: await auditTable.list(read, tenant, filter, span, limit) };
    const look = makeLook(tenant, filter, span, limit);
    const marks = [...(agent === undefined ? [] : [markOf("agent", agent)]), ...(user === undefined ? [] : [markOf("user", user)])];
    if (marks.length === 0) return (await look.through(span.from)) ? look.done() : look.stopped();

    // Looked at before the blocks: an event that is sealed meanwhile is found here or there.
    const unsealed = await blocksTable.firstUnsealed(read, tenant);
    if (unsealed !== undefined && !(await look.through(later(span.from, beginOf(unsealed))))) return look.stopped();

    // A block that holds something from before the place may end after it, but not by more than its filter spans.
    let next: FilterPlace = {
      lastAt: Math.min(span.before.at, Number.MAX_SAFE_INTEGER - widest) + widest,
      number: Number.MAX_SAFE_INTEGER,
    };
    for (let filters = 0; ; ) {
      const some = await filtersTable.before(read, tenant, next, span.from.at, atOnce);
      for (const { lastAt, number, firstAt, filter: names } of some) {
        // Whatever is later than its end would be in the blocks before, and what is not sealed was looked at.
        look.passTo(beginOf(lastAt + 1));
        // Whoever goes on from here begins further down than this search did, so going on comes to an end.
        if (filters >= reach.filters && isBefore(look.place(), span.before)) return look.stopped();
        if (lastAt < span.before.at) filters += 1;
        if (mayHold(names, marks) && !(await look.through(later(span.from, beginOf(firstAt))))) return look.stopped();
        next = { lastAt, number };
      }
      if (some.length < atOnce) return look.done();
      await turn();
    }
  };
};
