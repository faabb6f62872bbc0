/** How deep brackets may nest. The engine's stack holds twice as many. */
export const deepestBrackets = 32;

/** How deep the expressions of a condition may nest, where `a + b + c` counts two. The engine's stack holds half as many again. */
export const deepestExpression = 64;

/** The parsed form writes each level of an expression as two objects, and has four around them. */
const deepestForm = 2 * deepestExpression + 4;

/** Just past the string or comment that begins at `start`, or the end of the text. */
const pastText = (text: string, start: number): number => {
  const comment = text[start] === "/";
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text[at];
    if (comment ? char === "\n" : char === '"') return at + 1;
    if (!comment && char === "\\") at += 1;
  }
  return text.length;
};

/** Where brackets nest too deep in a Cedar text, if they do. It reads the text once, before the engine's parser, which calls itself at each bracket. */
export const tooDeepAt = (text: string): number | undefined => {
  let open = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"' || (char === "/" && text[at + 1] === "/")) at = pastText(text, at) - 1;
    else if ("([{".includes(char)) {
      open += 1;
      if (open > deepestBrackets) return at;
    } else if (")]}".includes(char)) open -= 1;
  }
  return undefined;
};

/** Whether the expressions of a parsed policy nest deeper than an evaluation has stack for. */
export const isTooDeep = (form: unknown): boolean => {
  const open: (readonly [value: unknown, depth: number])[] = [[form, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > deepestForm) return true;
    for (const part of Object.values(value)) open.push([part, depth + 1]);
  }
  return false;
};
