import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("every package", { timeout: 60_000 }, () => {
  test.each(readdirSync(here("../packages")))(
    "%s is published with its licence, and with no source maps of sources that stay behind",
    async (name) => {
      const folder = here(`../packages/${name}`);
      const command = ["pack", "--dry-run", "--json", "--ignore-scripts", "--offline"];
      const { stdout } = await promisify(execFile)("npm", command, { cwd: folder, maxBuffer: 2 ** 24 });
      const [pack] = JSON.parse(stdout) as { readonly files: readonly { readonly path: string }[] }[];
      const paths = pack?.files.map(({ path }) => path) ?? [];
      expect(paths).toEqual(expect.arrayContaining(["LICENSE", "package.json"]));
      expect(paths.filter((path) => path.endsWith(".map"))).toEqual([]);
      expect(readFileSync(`${folder}/LICENSE`, "utf8")).toBe(readFileSync(here("../LICENSE"), "utf8"));
    },
  );
});
