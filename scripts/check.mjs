// npm run check: everything that can be said of the tree without running its tests.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, step, tool } from "./run.mjs";

/** No host may stand in the lock file: it must work with any registry. */
const lockNamesNoHost = () => {
  console.log("\n== lock file");
  const hosts = readFileSync(join(root, "package-lock.json"), "utf8")
    .split("\n")
    .flatMap((line, at) => (line.includes('"resolved": "http') ? [`package-lock.json:${at + 1}:${line}`] : []));
  for (const host of hosts.slice(0, 5)) console.log(host);
  if (hosts.length > 0) console.log(`!! lock file failed: ${hosts.length} entries name a host`);
  return hosts.length === 0;
};

const passes = [
  await step("lint", tool("oxlint"), ["--type-aware", "--deny-warnings"]),
  await step("format", tool("biome"), ["format"]),
  await step("types", tool("tsc"), ["-b"]),
  await step("architecture", tool("vitest"), ["run", "tests/architecture"], { LEGATE_TEST_DATABASE_URL: "none" }),
  await step("dead code and undeclared dependencies", tool("knip"), []),
  await step("generated documents", process.execPath, [join(root, "packages/server/dist/reference/main.js"), "--check"]),
  await step("reference of the command line", process.execPath, [join(root, "packages/cli/dist/reference/main.js"), "--check"]),
  lockNamesNoHost(),
];

const failed = passes.filter((pass) => !pass).length;
console.log(failed === 0 ? "\nAll checks passed." : `\n${failed} of ${passes.length} checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;
