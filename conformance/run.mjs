// npm run conformance: judges that nobody here wrote, against a running server. One folder a wire; each has `judges.mjs`, whose default export
// runs its judges and answers the names of those that passed and failed.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { makePython } from "./python.mjs";
import { startServer } from "./server.mjs";

const here = import.meta.dirname;
const wires = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

let failed = 0;
let passed = 0;
for (const wire of wires) {
  console.log(`\n== ${wire}`);
  const python = await makePython(join(here, wire, "requirements.txt"));
  if (python.missing) {
    console.log(`Skipped: ${python.missing}`);
    continue;
  }
  const server = await startServer();
  try {
    const { default: judges } = await import(pathToFileURL(join(here, wire, "judges.mjs")).href);
    for (const { name, passed: good } of await judges({ server, python, folder: join(here, wire) })) {
      console.log(`${good ? "passed" : "FAILED"}: ${wire}: ${name}`);
      if (good) passed += 1;
      else failed += 1;
    }
    if (!server.alive()) {
      console.log(`FAILED: ${wire}: the server ended while it was judged`);
      failed += 1;
    }
  } finally {
    await server.stop();
  }
}
console.log(`\nConformance: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
