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

/**
 * A failure underneath, as its name, code and words. The thing itself is left out: it may hold the request with its headers, or quote them.
 */
export const outlineOf = (error: unknown, secrets: readonly string[]): Error | undefined => {
  let deepest: Error | undefined;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) deepest = at;
  if (!deepest) return undefined;
  const { code } = deepest as { readonly code?: unknown };
  const outline = new Error(withoutSecrets(deepest.message, secrets));
  outline.name = withoutSecrets(deepest.name, secrets);
  // Its own stack would begin with the text that was just cleaned.
  outline.stack = `${outline.name}: ${outline.message}`;
  return typeof code === "string" ? Object.assign(outline, { code: withoutSecrets(code, secrets) }) : outline;
};
