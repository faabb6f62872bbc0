import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("every test that the threat model names is there", () => {
  const named = [...readFileSync("docs/threat-model.md", "utf8").matchAll(/`([\w./-]+\.test\.ts)`: "([^"]+)"/g)];
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter(([, file = "", title = ""]) => !existsSync(file) || !readFileSync(file, "utf8").includes(title));
  expect(missing.map(([whole]) => whole)).toEqual([]);
});
