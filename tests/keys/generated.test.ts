import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

/** In a process of its own, from what is built: one that stands still cannot be ended by a test that runs in it. */
const generate = (times: number) =>
  spawnSync(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { generateKey } from "./packages/server/dist/identity/signing/signing-key.js";
       for (let count = 0; count < ${times}; count += 1) if (!generateKey().privateJwk.d) throw new Error("no key");
       process.stdout.write("done");`,
    ],
    { timeout: 60_000, encoding: "utf8" },
  );

test("however many signing keys are made, the collector never makes the thread wait for itself", () => {
  expect(generate(5_000)).toMatchObject({ stdout: "done", status: 0 });
}, 90_000);
