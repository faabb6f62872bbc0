import type { ChangeKind, Changes } from "./changes.ts";

/** What a cached value hangs on: a change of any of these forgets it. */
export type Tag = readonly [kind: ChangeKind, target: string];

/**
 * Remembers what was read until something it hangs on changes on any replica; never longer than two seconds after that, and nothing at all while
 * changes cannot be heard. Only what is there is remembered: that something is missing is asked anew each time.
 * @param most Values kept at most; the oldest go first.
 * @param tagsOf What a value of this tenant hangs on.
 */
export const makeCache = <V extends object>(changes: Changes, most: number, tagsOf: (value: V) => readonly Tag[]) => {
  const entries = new Map<string, { readonly value: V; readonly tags: readonly string[] }>();
  const byTag = new Map<string, Set<string>>();
  let heard = 0;

  const forget = (key: string): void => {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    for (const tag of entry.tags) {
      const keys = byTag.get(tag);
      keys?.delete(key);
      if (keys?.size === 0) byTag.delete(tag);
    }
  };

  const keep = (key: string, value: V): void => {
    forget(key);
    if (entries.size >= most) forget(entries.keys().next().value ?? "");
    const tags = tagsOf(value).map(([kind, target]) => `${kind}/${target}`);
    entries.set(key, { value, tags });
    for (const tag of tags) {
      const keys = byTag.get(tag);
      if (keys) keys.add(key);
      else byTag.set(tag, new Set([key]));
    }
  };

  changes.subscribe((change) => {
    heard += 1;
    if (!change) {
      entries.clear();
      byTag.clear();
      return;
    }
    for (const key of byTag.get(`${change.kind}/${change.target}`) ?? []) forget(key);
  });

  /** What is kept under `key`, else what `load` reads outside of any transaction. */
  return async (key: string, load: () => Promise<V | undefined>): Promise<V | undefined> => {
    const known = changes.isCurrent() ? entries.get(key) : undefined;
    if (known) return known.value;
    const before = heard;
    const value = await load();
    // What changed while it was read may have been read before it changed.
    if (value && heard === before && changes.isCurrent()) keep(key, value);
    return value;
  };
};
