import { describe, expect, test } from "vitest";
import { parseStrictObject } from "./strict-json.ts";

describe("a JSON object", () => {
  test.each([
    `{}`,
    `{"a":1,"b":[1,2,"a","a"],"c":{"a":1}}`,
    `[{"a":1}]`.slice(1, -1),
    `{"a":"{\\"a\\":1,\\"a\\":2}","b":"a","c":"\\\\"}`,
    `{"a":[{"x":1},{"x":2}],"x":3}`,
    ` {\n"a" : { "b" : "a" } , "A" : null , "" : "," } `,
    `{"constructor":2,"toString":3,"proto":{"__proto":1}}`,
    `{"a":["a","a",{"a":"a"}],"b":true,"c":-1.5e3}`,
  ])("%s is read as JSON.parse reads it", (text) => {
    expect(parseStrictObject(text)).toEqual(JSON.parse(text));
  });

  test.each([
    `{"a":1,"a":1}`,
    `{"a":1,"b":2,"a":3}`,
    `{"b":{"a":1,"a":2}}`,
    `{"b":[1,{"a":1,"a":2}]}`,
    `{"a":1,"\\u0061":2}`,
    `{"a":{"x":1},"a":2}`,
    `{"a":[1,2],"a":2}`,
    `{"x":"\\\\","a":"\\"","a":1}`,
    `{"":1,"":2}`,
  ])("%s is refused: a name stands twice", (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(() => parseStrictObject(text)).toThrow("names a field twice");
  });

  test.each([`{"__proto__":1}`, `{"a":{"\\u005f_proto__":{}}}`])("%s is refused: it names __proto__", (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(() => parseStrictObject(text)).toThrow("must not name __proto__");
  });

  test.each(["", "null", "1", `"a"`, "[]", `[{"a":1}]`, "{", `{"a":1}x`, `{a:1}`])("%s is no object", (text) => {
    expect(() => parseStrictObject(text)).toThrow(SyntaxError);
  });

  test("of thirty-two levels is read, of more it is refused, of three thousand without a deep stack", () => {
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    expect(() => parseStrictObject(nested(32))).not.toThrow();
    for (const levels of [33, 3_000]) expect(() => parseStrictObject(nested(levels))).toThrow("nests deeper than 32");
  });
});
