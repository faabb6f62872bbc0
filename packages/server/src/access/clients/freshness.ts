const minute = 60_000;

/** Milliseconds: how long a document is believed at least, at most, and where it does not say. */
const bounds = { least: 5 * minute, most: 24 * 60 * minute, unsaid: 60 * minute };

/** Seconds in a header's value (RFC 9111 1.2.2); undefined for anything else. */
const seconds = (text: string | null | undefined): number | undefined => (/^\d{1,10}$/.test(text ?? "") ? Number(text) : undefined);

/** The directives of `Cache-Control` (RFC 9111 5.2), by name in lower case; of one that is repeated, the first. */
const directivesIn = (value: string | null): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const part of (value ?? "").split(",")) {
    const [name = "", argument = ""] = part.trim().split("=", 2);
    if (name !== "" && !found.has(name.toLowerCase())) found.set(name.toLowerCase(), argument.replaceAll('"', ""));
  }
  return found;
};

const saidBy = (headers: Headers, now: number): number | undefined => {
  const cacheControl = directivesIn(headers.get("cache-control"));
  if (["no-store", "no-cache"].some((name) => cacheControl.has(name))) return 0;
  // RFC 9111 4.2.1: what speaks to caches of many people comes first.
  const age = seconds(headers.get("age")) ?? 0;
  const life = seconds(cacheControl.get("s-maxage")) ?? seconds(cacheControl.get("max-age"));
  if (life !== undefined) return (life - age) * 1000;
  const expires = headers.get("expires");
  if (expires === null) return undefined;
  // RFC 9111 5.3: what is no date has passed.
  const at = Date.parse(expires);
  return Number.isNaN(at) ? 0 : at - (Date.parse(headers.get("date") ?? "") || now);
};

/**
 * For how long an answer may be used without asking again (RFC 9111 4.2), within bounds of our own: a server that says nothing sensible is neither asked
 * at every request nor believed for ever.
 * @returns milliseconds
 */
export const freshFor = (headers: Headers, now: number): number =>
  Math.min(bounds.most, Math.max(bounds.least, saidBy(headers, now) ?? bounds.unsaid));
