// npm run prove: lists the long proofs. npm run prove -- NAME...: runs those at full length, and prints what they measured; `all` runs every one.
// In short each of them is part of npm test. LEGATE_TEST_SEED=N repeats a run's chances; a proof prints its seed.
import { step, tool } from "./run.mjs";

const proofs = {
  "one-refresh": ["tests/replicas/one-refresh.test.ts", "50 times 64 callers of one expired connection, on 2 and on 4 processes"],
  storm: [
    "tests/replicas/storm.test.ts",
    "10,000 connections expire together; the provider is slow and fails; a process is killed every 3 s",
  ],
  "killed-mid-refresh": [
    "tests/replicas/killed-mid-refresh.test.ts",
    "50 kills -9 between the provider's answer and the commit, on each store",
  ],
  revocation: ["tests/replicas/revocation.test.ts", "100 rounds of taking back on one replica what another has in memory"],
  "killed-in-writes": ["tests/durability.test.ts", "100 kills -9 during 1,000 concurrent writes on SQLite"],
  "power-loss": ["tests/durability/power-loss.test.ts", "20 losses of power on SQLite, each keeping only what was synced"],
  fuzz: ["tests/fuzz/fuzz.test.ts", "100,000 requests of every kind, half of them on each store"],
};

const asked = process.argv.slice(2);
const names = asked.includes("all") ? Object.keys(proofs) : asked;
const unknown = names.filter((name) => !Object.hasOwn(proofs, name));

if (names.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.log(`There is no proof named ${name}.`);
  console.log("npm run prove -- NAME...   (or: all)\n");
  for (const [name, [, what]] of Object.entries(proofs)) console.log(`  ${name.padEnd(20)}${what}`);
  process.exitCode = unknown.length > 0 ? 1 : 0;
} else {
  // The processes are started from what is built.
  let passed = await step("build", tool("tsc"), ["-b"]);
  for (const name of passed ? names : []) {
    passed = (await step(name, tool("vitest"), ["run", proofs[name][0]], { LEGATE_TEST_FULL: "1" })) && passed;
  }
  console.log(passed ? "\nProven." : "\nNot proven.");
  process.exitCode = passed ? 0 : 1;
}
