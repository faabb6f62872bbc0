// npm run conformance: judges that nobody here wrote, against a running server; `npm run conformance -- oauth` asks those of one wire. One folder a wire;
// each has `judges.mjs`, whose default export runs its judges and yields, one after another, their names and whether they passed. What its server needs
// beyond the defaults it exports as `settings`.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { makePython } from "./python.mjs";
import { startServer } from "./server.mjs";

const here = import.meta.dirname;
const asked = process.argv.slice(2);
const wires = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && (asked.length === 0 || asked.includes(entry.name)))
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
  const results = [];
  let server;
  try {
    const { default: judges, settings } = await import(pathToFileURL(join(here, wire, "judges.mjs")).href);
    server = await startServer(settings);
    for await (const result of judges({ server, python, folder: join(here, wire) })) results.push(result);
    if (!server.alive()) results.push({ name: "the server outlives its judges", passed: false });
  } catch (error) {
    console.log(error);
    results.push({ name: "the judges could do their work", passed: false });
  } finally {
    await server?.stop();
  }
  for (const { name, passed: good } of results) {
    console.log(`${good ? "passed" : "FAILED"}: ${wire}: ${name}`);
    if (good) passed += 1;
    else failed += 1;
  }
}
console.log(`\nConformance: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
