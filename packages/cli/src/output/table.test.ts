import { expect, test } from "vitest";
import { cellOf, printable } from "./index.ts";
import { tabbed, tableFor, widthOf } from "./table.ts";

const columns = [
  { title: "name", mayCut: false },
  { title: "title", mayCut: true },
  { title: "scopes", mayCut: true },
];
const plain = (line: string) => line;

test("a table fits the terminal by cutting what may be cut, the widest first", () => {
  const rows = [["a-name-of-twenty-chars", "x".repeat(60), "y".repeat(20)]];
  const table = tableFor(columns, rows, 60, plain);
  for (const line of table.trimEnd().split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(60);
  expect(table).toContain("a-name-of-twenty-chars");
  expect(table).toContain("…");
});

test("a table wider than any terminal keeps names whole", () => {
  const name = "n".repeat(100);
  expect(tableFor(columns, [[name, "title", "scopes"]], 20, plain)).toContain(name);
});

test("wide characters take two cells", () => {
  expect([widthOf("ab"), widthOf("仓库"), widthOf("e\u0301")]).toEqual([2, 4, 1]);
  const lines = tableFor(
    columns,
    [
      ["仓库", "a", "b"],
      ["ab", "a", "b"],
    ],
    80,
    plain,
  ).split("\n");
  expect(lines[1]).toBe("仓库  a      b");
  expect(lines[2]).toBe("ab    a      b");
});

test("for programs there is a tab between cells, and no tab or line end in one", () => {
  expect(tabbed([["a", cellOf("b\tc\nd")]])).toBe("a\tb\\u{9}c\\u{a}d\n");
});

test("what would steer a terminal or turn text around is shown as its code", () => {
  expect(printable("a\u001b[2Jb\u202ec\u0007")).toBe("a\\u{1b}[2Jb\\u{202e}c\\u{7}");
});
