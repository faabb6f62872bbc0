import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../packages/cli/src/commands/index.ts";
import { type Legate, legateProcess, root, temporary } from "./legate.ts";

const npm = (args: readonly string[], cwd: string) =>
  execFileSync("npm", [...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** The folders of packages that others need, from what is installed here, so that nothing is fetched. */
const installed = (names: readonly string[], from: string, found = new Map<string, string>()): ReadonlyMap<string, string> => {
  for (const name of names) {
    if (name.startsWith("@legate/") || found.has(name)) continue;
    const [manifest] = (createRequire(from).resolve.paths(name) ?? [])
      .map((place) => join(place, name, "package.json"))
      .filter((path) => {
        try {
          return readFileSync(path).length > 0;
        } catch {
          return false;
        }
      });
    if (manifest === undefined) throw new Error(`${name} is not installed.`);
    found.set(name, dirname(manifest));
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, "utf8")) as { dependencies?: Record<string, string> };
    installed(Object.keys(dependencies), manifest, found);
  }
  return found;
};

describe("the packed command line, installed elsewhere", () => {
  const folder = temporary();
  const home = join(folder.path, "home");
  let legate: Legate;
  beforeAll(() => {
    mkdirSync(home);
    writeFileSync(join(home, "package.json"), JSON.stringify({ name: "elsewhere", private: true }));
    const needed = new Set<string>();
    for (const name of ["contract", "sdk", "cli"]) {
      npm(["pack", "--pack-destination", folder.path], join(root, "packages", name));
      const { dependencies = {} } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")) as {
        dependencies?: Record<string, string>;
      };
      for (const dependency of Object.keys(dependencies)) needed.add(dependency);
    }
    const tarballs = readdirSync(folder.path).filter((file) => file.endsWith(".tgz"));
    const others = [...installed([...needed], join(root, "packages/cli/package.json")).values()];
    npm(
      [
        "install",
        "--offline",
        "--install-links",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        ...tarballs.map((file) => join(folder.path, file)),
        ...others,
      ],
      home,
    );
    legate = legateProcess(home, join(home, "node_modules/legate/bin/legate.js"));
  });
  afterAll(() => folder.remove());

  test("answers its version and its help, with every command", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "packages/cli/package.json"), "utf8")) as { version: string };
    expect(await legate.run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    const { code, stdout } = await legate.run(["--help"]);
    expect(code).toBe(0);
    for (const { path } of commands) expect(stdout).toContain(`  ${path[0]}`);
    expect(readFileSync(join(home, "node_modules/.bin/legate"), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  test("brings what its commands need, and nothing made for tests", async () => {
    // Which loads the SDK's door to the cloud, and the verifier.
    const cloud = await legate.run(["create-role", "--cloud", "alibaba", "--endpoint", "http://127.0.0.1:9", "--timeout", "1"], {
      env: { ALIBABA_CLOUD_ECS_METADATA_DISABLED: "true" },
    });
    expect(cloud.code).toBe(3);
    expect((await legate.run(["audit", "verify", "nothing"])).code).toBe(2);
    const files = readdirSync(join(home, "node_modules/legate/dist"), { recursive: true }).map(String);
    expect(files.filter((file) => /test|reference|tsbuildinfo/.test(file))).toEqual([]);
    expect(files).toContain("audit-verify.mjs");
  });
});

test("npx finds it in the repository", () => {
  const { bin } = JSON.parse(readFileSync(join(root, "packages/cli/package.json"), "utf8")) as { bin: { legate: string } };
  expect(readFileSync(join(root, "node_modules/.bin/legate"), "utf8")).toBe(readFileSync(join(root, "packages/cli", bin.legate), "utf8"));
  expect(execFileSync("npx", ["--no-install", "legate", "--version"], { cwd: root, encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/);
});
