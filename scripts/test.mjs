// npm test: lint, types, then every test. Arguments go to vitest (`npm test -- packages/server/src/config`).
// The last line is always `N passed, N failed`, with `, N skipped` where something was; lint and types count as one each.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { step, tool } from "./run.mjs";

const only = process.argv.slice(2);
const passes = [await step("lint", tool("oxlint"), ["--type-aware", "--deny-warnings"]), await step("types", tool("tsc"), ["-b"])];

const folder = mkdtempSync(join(tmpdir(), "legate-results-"));
const results = join(folder, "results.json");
const vitestPassed = await step("tests", tool("vitest"), [
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${results}`,
  ...only,
]);

/** Tests by what became of them; a file that could not even be loaded counts as one that failed. */
const read = () => {
  try {
    const report = JSON.parse(readFileSync(results, "utf8"));
    const tests = report.testResults.flatMap((file) => file.assertionResults);
    const of = (...states) => tests.filter(({ status }) => states.includes(status));
    const unloaded = report.testResults.filter(
      (file) => file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"),
    );
    return {
      passed: of("passed").length,
      failed: of("failed").length + unloaded.length,
      skipped: of("pending", "skipped", "todo", "disabled"),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const { passed, failed, skipped } = read();
// Something outside of any test may fail too: an unhandled rejection, the global set-up.
const beyond = !vitestPassed && failed === 0 ? 1 : 0;

if (skipped.length > 0) {
  // A test that is skipped says why in its name or its suite's: "(postgres: none found)".
  const counts = new Map();
  for (const { fullName } of skipped) {
    const reason = /\(([\w ]+: [^()]+)\)/.exec(fullName)?.[1] ?? fullName;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  console.log("\nSkipped:");
  for (const [reason, count] of counts) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${reason}`);
}

const totalPassed = passed + passes.filter(Boolean).length;
const totalFailed = failed + beyond + passes.filter((pass) => !pass).length;
console.log(`\n${totalPassed} passed, ${totalFailed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`);
process.exitCode = totalFailed === 0 ? 0 : 1;
