/** The parts of JSON text that matter for its structure: strings, brackets, commas. Numbers and words are passed over. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/**
 * Parses a JSON object in which no name stands twice, at any depth: readers disagree on which of the two counts (RFC 7519 4).
 *
 * @throws SyntaxError for anything else
 */
export const parseStrictObject = (text: string): Readonly<Record<string, unknown>> => {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new SyntaxError("not an object");
  // A set of names for each object that is open, nothing for an array.
  const open: (Set<string> | undefined)[] = [];
  let nameNext = false;
  for (const [token] of text.matchAll(tokens)) {
    const names = open.at(-1);
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token.startsWith('"') && nameNext && names) {
      const name = JSON.parse(token) as string;
      if (names.has(name)) throw new SyntaxError("a name stands twice");
      names.add(name);
    }
    nameNext = token === "{" || (token === "," && names !== undefined);
  }
  return parsed as Readonly<Record<string, unknown>>;
};
