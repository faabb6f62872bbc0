/** How deep brackets may nest. The engine's stack holds twice as many. */
export const deepestBrackets = 32;

/** How deep the expressions of a condition may nest, where `a + b + c` counts two. The engine's stack holds half as many again. */
export const deepestExpression = 64;

/** The parsed form writes each level of an expression as two objects, and has four around them. */
const deepestForm = 2 * deepestExpression + 4;

/** Strings and comments, in which nothing counts, and what does. */
const marks = /"(?:[^"\\]|\\.)*"?|\/\/[^\n]*|[()[\]{};]|,(?=\s*,)|\bif\b/gsu;

/**
 * What in a Cedar text would cost the engine's parser its stack, or seconds: it calls itself at each bracket and each `if`, and goes on after each
 * bracket, comma or semicolon that is out of place to tell of the next. The text is read once, and no statement needs any of it.
 */
export const overload = (text: string): { readonly at: number; readonly message: string } | undefined => {
  let [open, ends, ifs] = [0, 0, 0];
  for (const { 0: mark, index: at } of text.matchAll(marks)) {
    if ("([{".includes(mark)) open += 1;
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
