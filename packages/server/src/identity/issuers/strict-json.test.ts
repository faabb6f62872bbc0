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
    `{"__proto__":1,"constructor":2,"toString":3}`,
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
    `{"__proto__":1,"__proto__":2}`,
    `{"":1,"":2}`,
  ])("%s is refused: a name stands twice", (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(() => parseStrictObject(text)).toThrow("a name stands twice");
  });

  test.each(["", "null", "1", `"a"`, "[]", `[{"a":1}]`, "{", `{"a":1}x`, `{a:1}`])("%s is no object", (text) => {
    expect(() => parseStrictObject(text)).toThrow(SyntaxError);
  });

  test("of three thousand levels is read without a deep stack", () => {
    const text = `${'{"a":'.repeat(3_000)}1${"}".repeat(3_000)}`;
    expect(() => parseStrictObject(text)).not.toThrow();
  });
});
