/** How deep brackets may nest. The engine's stack holds twice as many. */
export const deepestBrackets = 32;

/** How deep the expressions of a condition may nest, where `a + b + c` counts two. The engine's stack holds half as many again. */
export const deepestExpression = 64;

/** The parsed form writes each level of an expression as two objects, and has four around them. */
const deepestForm = 2 * deepestExpression + 4;

/** How often `\*` may stand in a text. Only a pattern of `like` has any; anywhere else each is a fault. */
export const mostStars = 256;

/** Strings and comments, in which no bracket counts, and what does. */
const marks = /"(?:[^"\\]|\\.)*"?|\/\/[^\n\r]*|[()[\]{};]|,(?=\s*,)|\bif\b/gsu;

/** What stands for something else in a string: escapes, whether there are such or not, and a carriage return, which no string may hold. */
const escapes = /\\(?:u\{[^}"\\]{0,32}\}|x[0-9a-f]{2}|.)|\r/gisu;

/** The escapes of a Cedar string: those of Rust's, and the star of a pattern. */
const isEscape = (text: string): boolean => {
  const digits = /^\\u\{([0-9a-f][0-9a-f_]*)\}$/i.exec(text)?.[1]?.replaceAll("_", "");
  if (digits === undefined) return /^\\(?:[nrt0\\'"*]|x[0-7][0-9a-fA-F])$/.test(text);
  const point = Number.parseInt(digits, 16);
  return digits.length <= 6 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
};

/**
 * What in a Cedar text would cost the engine's parser its stack, or seconds: it calls itself at each bracket and each `if`, and goes on after each
 * bracket, comma or semicolon that is out of place, and each escape that is none, to tell of the next. The text is read once, and no statement needs
 * any of it.
 */
export const overload = (text: string): { readonly at: number; readonly message: string } | undefined => {
  let [open, ends, ifs, stars] = [0, 0, 0, 0];
  for (const { 0: mark, index: at } of text.matchAll(marks)) {
    if (mark.startsWith('"')) {
      for (const { 0: escape, index: inside } of mark.matchAll(escapes)) {
        if (!isEscape(escape)) return { at: at + inside, message: `the input \`${escape}\` is not a valid escape` };
        if (escape === "\\*") stars += 1;
        if (stars > mostStars) return { at: at + inside, message: `has more than ${mostStars} \\*` };
      }
    } else if ("([{".includes(mark)) open += 1;
    else if (")]}".includes(mark)) open -= 1;
    else if (mark === ";") ends += 1;
    else if (mark === "if") ifs += 1;
    else if (mark === ",") return { at, message: "unexpected ,: nothing stands between it and the next" };
    if (open > deepestBrackets) return { at, message: `brackets nest deeper than ${deepestBrackets}` };
    if (open < 0) return { at, message: `unexpected ${mark}: nothing is open that it could close` };
    if (ends > 1) return { at, message: "holds more than one statement: a policy is one" };
    if (ifs > deepestExpression) return { at, message: `has more than ${deepestExpression} if` };
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
