import type { ChangeKind, Changes } from "./changes.ts";

/** What a cached value hangs on: a change of any of these forgets it. */
export type Tag = readonly [kind: ChangeKind, target: string];

/** Values that were kept at about the same time. They leave together: to drop single ones, oldest first, costs more than it saves. */
interface Generation<V> {
  readonly values: Map<string, V>;
  /** By tag, the keys of what hangs on it. Most tags have one. */
  readonly byTag: Map<string, string | Set<string>>;
  /** How often something was kept, also what is forgotten since: its keys stay under other tags as long as the generation. */
  kept: number;
}

const born = <V>(): Generation<V> => ({ values: new Map(), byTag: new Map(), kept: 0 });

const nameOf = (kind: ChangeKind, target: string): string => `${kind}/${target}`;

const hang = <V>({ byTag }: Generation<V>, tag: string, key: string): void => {
  const keys = byTag.get(tag);
  if (keys === undefined) byTag.set(tag, key);
  else if (typeof keys === "string") {
    if (keys !== key) byTag.set(tag, new Set([keys, key]));
  } else keys.add(key);
};

const forget = <V>({ values, byTag }: Generation<V>, tag: string): void => {
  const keys = byTag.get(tag);
  if (keys === undefined) return;
  byTag.delete(tag);
  for (const key of typeof keys === "string" ? [keys] : keys) values.delete(key);
};

/**
 * Remembers what was read until something it hangs on changes on any replica; never longer than two seconds after that, and nothing at all while
 * changes cannot be heard. Only what is there is remembered: that something is missing is asked anew each time.
 * @param most Values kept at least, unless they change; up to twice as many are.
 * @param tagsOf What a value hangs on.
 */
export const makeCache = <V extends object>(changes: Changes, most: number, tagsOf: (value: V) => readonly Tag[]) => {
  let young = born<V>();
  let old = born<V>();
  let heard = 0;

  const keep = (key: string, value: V): void => {
    if (young.values.size >= most || young.kept >= 2 * most) {
      old = young;
      young = born();
    }
    young.values.set(key, value);
    young.kept += 1;
    for (const [kind, target] of tagsOf(value)) hang(young, nameOf(kind, target), key);
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
      young = born();
      old = born();
      return;
    }
    const tag = nameOf(change.kind, change.target);
    forget(young, tag);
    forget(old, tag);
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
