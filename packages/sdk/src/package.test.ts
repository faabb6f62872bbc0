import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("the package", () => {
  it("has no type that checks nothing", () => {
    const sources = readdirSync(here("."), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !/\.(test|example)\.ts$|^testing/.test(path))
      .map((path) => [path, readFileSync(here(`./${path}`), "utf8")] as const);
    const typed = sources.filter(([, source]) =>
      /[:<,|(=&]\s*any\b(?!\()/.test(source.replace(/\/\*.*?\*\/|\/\/[^\n]*|"[^"\n]*"|`[^`]*`/gs, "")),
    );
    expect(typed.map(([path]) => path)).toEqual([]);
  });
});
