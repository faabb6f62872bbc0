const shown = "[hidden]";

/** Every way in which a secret may come back in what a server says: as it is, and as a form or a URL holds it. */
const spellings = (secret: string): readonly string[] => [
  secret,
  new URLSearchParams({ s: secret }).toString().slice(2),
  encodeURIComponent(secret.toWellFormed()),
  JSON.stringify(secret).slice(1, -1),
];

/**
 * Takes secrets out of a text. Those of fewer than four characters stay: they are found in any text, and hiding them would show where.
 */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets
    .filter((secret) => secret.length >= 4)
    .flatMap(spellings)
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, spelling) => rest.replaceAll(spelling, shown), text);

const longest = 2_000;

/** The beginning of a text that is too long to show. A pair of surrogates is not cut in two. */
export const shortened = (text: string): string =>
  text.length > longest ? `${text.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, "")}…` : text;

/** What somebody else said, as an error may quote it. It is cut last: half a secret is one that nobody would find. */
export const quotable = (text: string, secrets: readonly string[]): string => shortened(withoutSecrets(text, secrets));

/**
 * A failure underneath, as its name, code and words. The thing itself is left out: it may hold the request with its headers, or quote them.
 */
export const outlineOf = (error: unknown, secrets: readonly string[]): Error | undefined => {
  let deepest: Error | undefined;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) deepest = at;
  if (!deepest) return undefined;
  const { code } = deepest as { readonly code?: unknown };
  const outline = new Error(quotable(deepest.message, secrets));
  outline.name = quotable(deepest.name, secrets);
  // Its own stack would begin with the text that was just cleaned.
  outline.stack = `${outline.name}: ${outline.message}`;
  return typeof code === "string" ? Object.assign(outline, { code: quotable(code, secrets) }) : outline;
};
