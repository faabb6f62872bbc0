const atRoot = /^(?:\/t\/[^/?]*)?\/(?:\?|$)/;

/**
 * What is read kindly below some prefixes, of wires whose clients put addresses together as texts.
 * @param nowhere Where a URL goes that cannot be read; it begins with a slash.
 */
export const kindlyBelow = (prefixes: readonly string[], nowhere: string) => {
  const below = prefixes.map((prefix) => new RegExp(`^/+${prefix.slice(1)}/`));
  const unread = prefixes.map((prefix) => [prefix, new RegExp(`^(?:/t/[^/]*)?/+${prefix.slice(1)}/`)] as const);
  return {
    /** Takes slashes that come twice, and one at the end, out of the path. What comes after `?` stays as it is. */
    mended: (url: string): string => {
      if (!below.some((prefix) => prefix.test(url))) return url;
      const [path = "", ...query] = url.split("?");
      return [path.replaceAll(/\/{2,}/g, "/").replace(/\/$/, ""), ...query].join("?");
    },

    /** Where a URL that cannot be read is refused: below the prefix it was meant for, so that it hears that wire's own words. */
    refusedAt: (url: string): string =>
      // The root has an address of its own, and may be a wire's.
      atRoot.test(url) ? "/" : `${unread.find(([, meant]) => meant.test(url))?.[0] ?? ""}${nowhere}`,
  };
};
