import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("the package", { timeout: 60_000 }, () => {
  it.each(["sdk", "contract"])("of %s is published with its licence, and with no source maps of sources that stay behind", async (name) => {
    const folder = here(`../../${name}`);
    const command = ["pack", "--dry-run", "--json", "--ignore-scripts", "--offline"];
    const { stdout } = await promisify(execFile)("npm", command, { cwd: folder, maxBuffer: 2 ** 24 });
    const [pack] = JSON.parse(stdout) as { readonly files: readonly { readonly path: string }[] }[];
    const paths = pack?.files.map(({ path }) => path) ?? [];
    expect(paths).toEqual(expect.arrayContaining(["LICENSE", "package.json"]));
    expect(paths.filter((path) => path.endsWith(".map"))).toEqual([]);
    expect(readFileSync(`${folder}/LICENSE`, "utf8")).toBe(readFileSync(here("../../../LICENSE"), "utf8"));
  });

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
