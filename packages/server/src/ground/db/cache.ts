import type { Change, ChangeKind, Changes } from "./changes.ts";

/** What a cached value hangs on: a change of any of these forgets it. */
export type Tag = readonly [kind: ChangeKind, target: string];

/** Values that were kept at about the same time. They leave together: to drop single ones, oldest first, costs more than it saves. */
interface Generation<V> {
  readonly values: Map<string, V>;
  /** By the kind and the target of each tag, the keys of what hangs on it. Most tags have one. */
  readonly byTag: Map<ChangeKind, Map<string, string | Set<string>>>;
  /** How often something was kept, also what is forgotten since: its keys stay under other tags as long as the generation. */
  kept: number;
  /** When its first value was kept, in milliseconds of a clock that is never set. */
  since: number;
}

const born = <V>(since: number): Generation<V> => ({ values: new Map(), byTag: new Map(), kept: 0, since });

/**
 * Milliseconds after which a generation is followed by the next, also where there is room in it. Else what nobody asks for any more, such as a token that
 * another has replaced, would stay until as many came as may: that can take hours, in which memory grows. Reading anew what is asked for this rarely is nothing.
 */
const longest = 120_000;

const hang = <V>({ byTag }: Generation<V>, [kind, target]: Tag, key: string): void => {
  const byTarget = byTag.get(kind) ?? new Map<string, string | Set<string>>();
  if (byTarget.size === 0) byTag.set(kind, byTarget);
  const keys = byTarget.get(target);
  if (keys === undefined) byTarget.set(target, key);
  else if (typeof keys === "string") {
    if (keys !== key) byTarget.set(target, new Set([keys, key]));
  } else keys.add(key);
};

const forget = <V>({ values, byTag }: Generation<V>, { kind, target }: Change): void => {
  const byTarget = byTag.get(kind);
  const keys = byTarget?.get(target);
  if (keys === undefined) return;
  byTarget?.delete(target);
  for (const key of typeof keys === "string" ? [keys] : keys) values.delete(key);
};

/**
 * Remembers what was read until something it hangs on changes on any replica; never longer than two seconds after that, and nothing at all while
 * changes cannot be heard. Only what is there is remembered: that something is missing is asked anew each time.
 * @param most Values kept at least, unless they change or nobody asks for them for two minutes; up to twice as many are.
 * @param tagsOf What a value hangs on.
 * @param now Milliseconds of a clock that is never set.
 */
export const makeCache = <V extends object>(
  changes: Changes,
  most: number,
  tagsOf: (value: V) => readonly Tag[],
  now: () => number = () => performance.now(),
) => {
  let young = born<V>(now());
  let old = born<V>(now());
  let heard = 0;

  const keep = (key: string, value: V): void => {
    const at = now();
    if (young.values.size >= most || young.kept >= 2 * most || at - young.since >= longest) {
      old = young;
      young = born(at);
    }
    young.values.set(key, value);
    young.kept += 1;
    for (const tag of tagsOf(value)) hang(young, tag, key);
  };

  const recall = (key: string): V | undefined => {
    const value = young.values.get(key);
    if (value !== undefined) return value;
    const aged = old.values.get(key);
    if (aged !== undefined) keep(key, aged);
    return aged;
  };

  changes.subscribe((change) => {
    heard += 1;
    if (!change) {
      young = born(now());
      old = born(now());
      return;
    }
    forget(young, change);
    forget(old, change);
  });

  /** What is kept under `key`, else what `load` reads outside of any transaction. */
  return async (key: string, load: () => Promise<V | undefined>): Promise<V | undefined> => {
    const known = changes.isCurrent() ? recall(key) : undefined;
    if (known) return known;
    const before = heard;
    const value = await load();
    // What changed while it was read may have been read before it changed.
    if (value && heard === before && changes.isCurrent()) keep(key, value);
    return value;
  };
};
