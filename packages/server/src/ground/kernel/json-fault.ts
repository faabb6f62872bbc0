/** How deep arrays and objects may nest. */
const deepest = 32;

const keyOf = (token: string): string => {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    return token;
  }
};

/** Just past the string that begins at `start`, or the end of the text. */
const endOfString = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === '"') return at + 1;
  }
  return text.length;
};

/**
 * What is wrong with the shape of a JSON text, or nothing: nesting deeper than 32, a name that stands twice, the name `__proto__`. It reads the text
 * once without building anything, because `JSON.parse` shows neither depth nor a repeated name: of two readers of one text one might take the first
 * of two equal names, the other the last (RFC 8259 4, RFC 7519 4). Text that is no JSON at all is for `JSON.parse` to refuse.
 */
export const jsonFault = (text: string): string | undefined => {
  /** What each open object has named so far; an array has no names. */
  const open: (Set<string> | undefined)[] = [];
  let awaitsName = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charAt(at)) {
      case "{":
      case "[":
        open.push(text[at] === "{" ? new Set() : undefined);
        if (open.length > deepest) return `nests deeper than ${deepest}`;
        awaitsName = text[at] === "{";
        break;
      case "}":
      case "]":
        open.pop();
        awaitsName = false;
        break;
      case ",":
        awaitsName = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (awaitsName) {
          const name = keyOf(text.slice(at, end));
          if (name === "__proto__") return "must not name __proto__";
          const names = open.at(-1);
          if (names?.has(name)) return "names a field twice";
          names?.add(name);
          awaitsName = false;
        }
        at = end - 1;
        break;
      }
      default:
    }
  }
  return undefined;
};
