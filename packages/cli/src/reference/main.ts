import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeReference } from "./document.ts";

// Writes docs/reference/cli.md; with --check it writes nothing and fails when the page is not what the program says.

const path = join(import.meta.dirname, "../../../../docs/reference/cli.md");

const stored = (): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

const text = makeReference();
if (stored() !== text) {
  if (process.argv.includes("--check")) {
    process.stdout.write("docs/reference/cli.md is stale: run `npm run docs`.\n");
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    process.stdout.write("wrote docs/reference/cli.md\n");
  }
}
