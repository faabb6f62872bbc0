import { parseEnv } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDotenv } from "./dotenv.ts";

const read = (text: string) => {
  const parsed = parseDotenv(text);
  return "faults" in parsed ? parsed.faults : Object.fromEntries(parsed.variables);
};

describe("a .env file", () => {
  test.each([
    ["nothing", "", {}],
    ["only comments and blanks", "# a\n\n   \n\t# b", {}],
    ["plain", "A=1\nB=two words\n", { A: "1", B: "two words" }],
    ["no last line end", "A=1", { A: "1" }],
    ["empty values", "A=\nB=   \nC=''\nD=\"\"\nE= # nothing", { A: "", B: "", C: "", D: "", E: "" }],
    ["export", "export A=1\n  export\tB = 2", { A: "1", B: "2" }],
    ["blanks around", "  A  =  1  ", { A: "1" }],
    ["names with dots and dashes", "a.b-c_D=1", { "a.b-c_D": "1" }],
    ["comments after values", "A=1 # one\nB=1#one\nC='x' # y\nD=\"x\"# y", { A: "1", B: "1#one", C: "x", D: "x" }],
    ["signs in values", "A=b=c==\nURL=https://u:p@h/?a=b&c=d", { A: "b=c==", URL: "https://u:p@h/?a=b&c=d" }],
    ["quotes inside", `A=it's\nB='say "x"'\nC="it's"\nD=\`a "b" 'c'\``, { A: "it's", B: 'say "x"', C: "it's", D: `a "b" 'c'` }],
    [
      "escapes only in double quotes",
      String.raw`A="a\nb\t\"c\" \\ \$D \x"` + "\n" + String.raw`B='a\nb'` + "\n" + String.raw`C=a\nb`,
      {
        A: 'a\nb\t"c" \\ $D \\x',
        B: String.raw`a\nb`,
        C: String.raw`a\nb`,
      },
    ],
    ["several lines", "A=\"-----BEGIN\nline\n-----END\"\nB=1\nC='x\ny'", { A: "-----BEGIN\nline\n-----END", B: "1", C: "x\ny" }],
    ["a comment sign inside quotes over lines", 'A="x # y\n# z"\nB=1', { A: "x # y\n# z", B: "1" }],
    ["nothing is expanded", 'A=${HOME}\nB="$(id) $HOME"', { A: "${HOME}", B: "$(id) $HOME" }],
    ["other line ends", 'A=1\r\nB="x\r\ny"\rC=3', { A: "1", B: "x\ny", C: "3" }],
    ["a byte order mark", "\uFEFFA=1", { A: "1" }],
    ["a name twice", "A=1\nA=2", { A: "2" }],
    ["names that objects have", "constructor=1\ntoString=2", { constructor: "1", toString: "2" }],
    ["text beyond ASCII", "A=größe 💧", { A: "größe 💧" }],
  ])("%s", (_, text, variables) => {
    expect(read(text)).toEqual(variables);
  });

  test.each([
    ["no sign", "A=1\n\nwhat is this\nB", [3, 4]],
    ["no name", "=1\n =2", [1, 2]],
    ["a name that is none", "1A=1\nA B=2\nä=3\nA$=4", [1, 2, 3, 4]],
    ["export without a value", "export A", [1]],
    ["a quote that is never closed", 'A=1\nB="x\nC=1\n', [2]],
    ["more after a quote", "A=\"x\" y\nB='1'2", [1, 2]],
    ["more after a quote that goes over lines", 'A="x\ny" z\nB=1', [2]],
    ["a name that is too long", `${"A".repeat(129)}=1`, [1]],
  ])("names the lines that do not parse, and only those: %s", (_, text, lines) => {
    const faults = read(text) as { line: number; message: string }[];
    expect(faults.map(({ line }) => line)).toEqual(lines);
  });

  test("what it says of a line never holds what stands in it", () => {
    const faults = JSON.stringify(read("CANARY-one\nA='CANARY-two' CANARY\nB=\"CANARY"));
    expect(faults).not.toContain("CANARY");
  });

  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/);
  const value = fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => !text.includes("\r"));

  test("whatever is written in double quotes with escapes is read back, and in lines of any order", () => {
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (variables) => {
        const file = Object.entries(variables).map(([key, text]) => `${key}="${text.replaceAll(/[\\"]/g, "\\$&")}"`);
        expect(read(file.join("\n"))).toEqual(variables);
      }),
      { numRuns: 300 },
    );
  });

  test("plain files are read as Node itself reads them", () => {
    const plain = fc.stringMatching(/^[A-Za-z0-9:/?=&.,+-]{1,30}$/);
    const single = fc.stringMatching(/^[A-Za-z0-9 #"$\\]{1,30}$/);
    const line = fc.oneof(
      fc.tuple(name, plain).map(([key, text]) => `${key}=${text}`),
      fc.tuple(name, single).map(([key, text]) => `export ${key}='${text}'`),
      fc.constantFrom("", "# a comment"),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const file = lines.join("\n");
        expect(read(file)).toEqual({ ...parseEnv(file) });
      }),
      { numRuns: 300 },
    );
  });

  test("no text makes it fail, or hang", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("A", "=", '"', "'", "`", "\\", "\n", " ", "#", "export ", "ä"), maxLength: 80 }),
        (text) => {
          expect(parseDotenv(text)).toBeDefined();
        },
      ),
      { numRuns: 2_000 },
    );
    parseDotenv(`${'A="'.repeat(60_000)}\n${"\\".repeat(100_000)}`);
    parseDotenv("A='\n".repeat(60_000));
  });
});
