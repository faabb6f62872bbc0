import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDocuments } from "./documents.ts";

// Writes docs/reference; with --check it writes nothing and fails when a document is not what the code says.

const folder = join(import.meta.dirname, "../../../../docs/reference");

const stored = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

const stale = makeDocuments().filter(({ path, text }) => stored(join(folder, path)) !== text);
if (process.argv.includes("--check")) {
  for (const { path } of stale) process.stdout.write(`docs/reference/${path} is stale: run \`npm run docs\`.\n`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  mkdirSync(folder, { recursive: true });
  for (const { path, text } of stale) {
    writeFileSync(join(folder, path), text);
    process.stdout.write(`wrote docs/reference/${path}\n`);
  }
}
