/** One way in which a file names another module. */
export interface Import {
  /** As written; undefined where it is computed and cannot be read. */
  readonly specifier: string | undefined;
  /** The names taken from it, under the exporter's names; `default`, `*`; empty for a bare import and a dynamic one. */
  readonly names: readonly string[];
  /** Whether it vanishes when types are stripped. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** After these a slash begins a regular expression, not a division. */
const beforeRegExp = /(?:^|[-+*%&|^!~<>=?:;,([{}]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|yield|await))\s*$/;

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

const endOfQuoted = (text: string, from: number, quote: string): number => {
  let at = from + 1;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
  return Math.min(at + 1, text.length);
};

const endOfRegExp = (text: string, from: number): number => {
  let at = from + 1;
  let inClass = false;
  while (at < text.length && text[at] !== "\n") {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "[") inClass = true;
    else if (text[at] === "]") inClass = false;
    else if (text[at] === "/" && !inClass) return at + 1;
    at += 1;
  }
  return at;
};

/**
 * The code of a source text: comments, the contents of strings and regular expressions and the fixed parts of templates are blanked, so that
 * what remains is what runs. Every character keeps its place.
 */
export const codeOf = (text: string): string => {
  let code = "";
  /** For each template we are inside of: how many braces are open within its current `${}`. */
  const templates: number[] = [];

  const template = (from: number): number => {
    let at = from;
    while (at < text.length) {
      if (text[at] === "\\") at += 2;
      else if (text[at] === "`") {
        code += `${blank(text.slice(from, at))}\``;
        return at + 1;
      } else if (text.startsWith("${", at)) {
        code += `${blank(text.slice(from, at))}\${`;
        templates.push(0);
        return at + 2;
      } else at += 1;
    }
    code += blank(text.slice(from, at));
    return at;
  };

  const quoted = (at: number, end: number): number => {
    code += end - at < 2 ? text.slice(at, end) : text[at] + blank(text.slice(at + 1, end - 1)) + text[end - 1];
    return end;
  };

  let at = 0;
  while (at < text.length) {
    const here = text[at] ?? "";
    const open = templates.at(-1);
    if (text.startsWith("//", at) || text.startsWith("/*", at)) {
      const close = text[at + 1] === "/" ? text.indexOf("\n", at) : text.indexOf("*/", at + 2);
      const end = close < 0 ? text.length : text[at + 1] === "/" ? close : close + 2;
      code += blank(text.slice(at, end));
      at = end;
    } else if (here === '"' || here === "'") at = quoted(at, endOfQuoted(text, at, here));
    else if (here === "/" && beforeRegExp.test(code.slice(-80))) at = quoted(at, endOfRegExp(text, at));
    else if (here === "`") {
      code += here;
      at = template(at + 1);
    } else if (here === "}" && open === 0) {
      templates.pop();
      code += here;
      at = template(at + 1);
    } else {
      if (open !== undefined && (here === "{" || here === "}")) templates[templates.length - 1] = open + (here === "{" ? 1 : -1);
      code += here;
      at += 1;
    }
  }
  return code;
};

const namesIn = (clause: string): { names: string[]; allTypes: boolean } => {
  const inBraces = /\{([^}]*)\}/.exec(clause)?.[1];
  const entries = (inBraces ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
  const beside = clause.replace(/\{[^}]*\}/, "").replaceAll(/[,\s]/g, "");
  const names = entries.map((entry) =>
    entry
      .replace(/^type\s+/, "")
      .split(/\s+as\s+/)[0]
      ?.trim(),
  );
  if (beside.includes("*")) names.push("*");
  if (/^[^*]/.test(beside)) names.push("default");
  return {
    names: names.filter((name) => name !== undefined),
    allTypes: inBraces !== undefined && beside === "" && entries.length > 0 && entries.every((entry) => /^type\s/.test(entry)),
  };
};

/** Every import of a file: static, re-exporting, bare, dynamic, in types, and `require`. */
export const importsOf = (text: string, code: string): readonly Import[] => {
  const lineAt = (index: number) => text.slice(0, index).split("\n").length;
  const literal = (quote: number): string | undefined => {
    const mark = text[quote] ?? "";
    const end = code.indexOf(mark, quote + 1);
    return end < 0 || (mark === "`" && code.slice(quote, end).includes("${")) ? undefined : text.slice(quote + 1, end);
  };
  const found: Import[] = [];
  for (const match of code.matchAll(/(?<![.\w$])(import|export)\b(\s+type\b(?!\s*(?:,|from\b)))?([^;"'`()=]*?)\bfrom\s*(?=["'])/g)) {
    const { names, allTypes } = namesIn(match[3] ?? "");
    found.push({
      specifier: literal(match.index + match[0].length),
      names,
      typeOnly: match[2] !== undefined || allTypes,
      line: lineAt(match.index),
    });
  }
  for (const match of code.matchAll(/(?<![.\w$])import\s*(?=["'])/g)) {
    found.push({ specifier: literal(match.index + match[0].length), names: [], typeOnly: false, line: lineAt(match.index) });
  }
  for (const match of code.matchAll(/(?<![.\w$])(?:import|require|process\.getBuiltinModule)\s*\(\s*(?!\s)(?<arg>["'`]?)/g)) {
    const quote = match.index + match[0].length - 1;
    const specifier = match.groups?.["arg"] === "" ? undefined : literal(quote);
    found.push({ specifier, names: [], typeOnly: false, line: lineAt(match.index) });
  }
  return found;
};
