import { hash as hashOnce } from "node:crypto";

/** Milliseconds that one filter spans at most. Who reads filters counts on it, so it may be raised, and never lowered. */
export const widest = 5_000;

/** With six hashes, a filter takes 1.3% of the ids that it does not hold for some that it does; with one bit more for each id, 0.9%. */
const hashes = 6;
export const usualBitsPerId = 9;

/** An id as filters know it. */
export type Mark = Buffer;

const nameOf = (kind: "agent" | "user", id: string): string => `${kind}:${id}`;
const marked = (name: string): Mark => hashOnce("sha256", name, "buffer");

export const markOf = (kind: "agent" | "user", id: string): Mark => marked(nameOf(kind, id));

/** The bit of a filter of `size` bits that the hash with this number sets. */
const bitOf = (mark: Mark, hash: number, size: number): number => mark.readUInt32BE(hash * 4) % size;

/** A Bloom filter over names, as long as their number asks for. */
const filterOver = (names: ReadonlySet<string>, bitsPerId: number): string => {
  const bytes = Buffer.alloc(Math.ceil((names.size * bitsPerId) / 8));
  const size = bytes.length * 8;
  for (const name of names) {
    const mark = marked(name);
    for (let hash = 0; hash < hashes; hash += 1) {
      const bit = bitOf(mark, hash, size);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return bytes.toString("base64url");
};

/** Whether all of these may be among the ids of a filter. It never says no where they are. */
export const mayHold = (filter: string, marks: readonly Mark[]): boolean => {
  const bytes = Buffer.from(filter, "base64url");
  const size = bytes.length * 8;
  for (const mark of marks) {
    for (let hash = 0; hash < hashes; hash += 1) {
      const bit = bitOf(mark, hash, size);
      if (((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
  }
  return true;
};

/** Which agents and users the events of a span of time name. */
export interface BlockFilter {
  /** Milliseconds, of the first and the last of these events. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** base64url. */
  readonly filter: string;
}

/** An event of a block, as far as its filter is concerned. */
interface Named {
  readonly at: number;
  readonly agent_id: string | null;
  readonly user_id: string | null;
}

/**
 * The filters of a block's events, given oldest first. Mostly it is one. Where events lie far apart, because some came late or waited long for their
 * seal, there is one for each stretch of time: else whoever looks for an id would have to read all that other blocks hold of the time between. Where
 * nobody is named there is none.
 */
export const filtersOf = (events: readonly Named[], bitsPerId: number = usualBitsPerId): readonly BlockFilter[] => {
  const filters: BlockFilter[] = [];
  for (let from = 0; from < events.length; ) {
    const names = new Set<string>();
    const firstAt = events[from]?.at ?? 0;
    let lastAt = firstAt;
    for (let event = events[from]; event && event.at - firstAt <= widest; event = events[from]) {
      if (event.agent_id !== null) names.add(nameOf("agent", event.agent_id));
      if (event.user_id !== null) names.add(nameOf("user", event.user_id));
      lastAt = event.at;
      from += 1;
    }
    if (names.size > 0) filters.push({ firstAt, lastAt, filter: filterOver(names, bitsPerId) });
  }
  return filters;
};
