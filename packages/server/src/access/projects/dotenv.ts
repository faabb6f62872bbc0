/** A line that does not parse, and why. Never what stands in it. */
export interface DotenvFault {
  /** The first is 1. */
  readonly line: number;
  readonly message: string;
}

/** The variables that a `.env` file sets, or what of it does not parse. */
export type Dotenv = { readonly variables: ReadonlyMap<string, string> } | { readonly faults: readonly DotenvFault[] };

/** What a backslash makes of the character after it, between double quotes. Before any other it stands for itself. */
const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "\\": "\\", '"': '"', "'": "'", $: "$" };

const unescaped = (text: string): string => text.replaceAll(/\\(.)/gs, (whole, after: string) => escapes[after] ?? whole);

/** From `from` on, where the quote ends; -1 where it does not. */
const endOfQuote = (text: string, quote: string, from: number): number => {
  for (let at = from; at < text.length; at += 1) {
    if (quote === '"' && text[at] === "\\") at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
};

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]{0,127})[ \t]*=[ \t]*/;
const nothingMore = /^[ \t]*(?:#.*)?$/;

/**
 * Parses a `.env` file: `NAME=value` a line, with or without `export`, empty lines and `#` comments between. A value in single quotes or backticks is
 * taken as it stands, one in double quotes with its escapes; all of them may go over several lines. Without quotes a value ends at the end of the
 * line, or where blank and `#` begin a comment. Nothing is expanded. Of a name that stands twice, the last value counts.
 */
export const parseDotenv = (file: string): Dotenv => {
  const text = file.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n");
  const variables = new Map<string, string>();
  const faults: DotenvFault[] = [];
  const lineEnd = (from: number): number => {
    const end = text.indexOf("\n", from);
    return end === -1 ? text.length : end;
  };

  for (let at = 0, line = 1; at < text.length; ) {
    const end = lineEnd(at);
    const whole = text.slice(at, end);
    let next = end + 1;
    let lines = 1;
    if (!nothingMore.test(whole)) {
      const [begin, name] = assignment.exec(whole) ?? [];
      const quote = begin === undefined ? undefined : whole[begin.length];
      if (begin === undefined || name === undefined) {
        faults.push({ line, message: "is not NAME=value, where NAME is 1 to 128 of A-Z a-z 0-9 _ . - and begins with a letter or _" });
      } else if (quote === '"' || quote === "'" || quote === "`") {
        const opened = at + begin.length + 1;
        const closed = endOfQuote(text, quote, opened);
        if (closed === -1) {
          faults.push({ line, message: "opens a quote that is never closed" });
        } else {
          const value = text.slice(opened, closed);
          lines += value.split("\n").length - 1;
          const rest = lineEnd(closed);
          next = rest + 1;
          if (nothingMore.test(text.slice(closed + 1, rest))) variables.set(name, quote === '"' ? unescaped(value) : value);
          else faults.push({ line: line + lines - 1, message: "goes on after the closing quote" });
        }
      } else {
        // A comment may follow right after the sign: `NAME= # nothing`.
        const value = whole.slice(begin.length).replace(/(?:^|[ \t])#.*$/, "");
        variables.set(name, value.trim());
      }
    }
    at = next;
    line += lines;
  }
  return faults.length > 0 ? { faults } : { variables };
};
