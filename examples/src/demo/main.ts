/**
 * The main job of Legate from end to end, on real parts: an agent reads a resource for a person who consented in their browser.
 * `npm run demo` waits for you to be that person; `npm run demo -- --auto` plays two people itself and checks each step.
 */

import type { Visit } from "./app.ts";
import { auditTable } from "./audit-table.ts";
import { playItself } from "./auto.ts";
import { setStage } from "./stage.ts";

const print = (text: string) => process.stdout.write(`${text}\n`);
const say = (text: string) => print(`  - ${text}`);
let steps = 0;
const step = (text: string) => {
  steps += 1;
  print(`\n${steps}. ${text}`);
};

const demo = async (auto: boolean, stopped: AbortSignal): Promise<void> => {
  const visits: Visit[] = [];
  const arrival = new EventTarget();
  const accessTokenSeconds = auto ? 4 : 3600;
  step("Setting the stage");
  const stage = await setStage({
    say,
    accessTokenSeconds,
    onVisit: (visit) => {
      visits.push(visit);
      arrival.dispatchEvent(new Event("visit"));
    },
  });
  try {
    stopped.throwIfAborted();
    if (auto) {
      await playItself(stage, visits, { say, step, accessTokenSeconds });
    } else {
      step("Now you are the user. Open this link in a browser on this machine, log in by any name, and allow access:");
      print(`\n     ${stage.link}\n`);
      await new Promise<void>((arrived, gone) => {
        arrival.addEventListener("visit", () => arrived(), { once: true });
        stopped.addEventListener("abort", () => gone(new Error("Stopped before anybody consented.")), { once: true });
      });
      for (const { findings } of visits) {
        say(
          `the agent was given a token and read the provider's resource: it acts for ${findings.user}, may ${findings.scopes.join(", ")}`,
        );
      }
    }
    step("What stands in Legate's audit log");
    print(`\n${await auditTable(stage.admin)}\n`);
    // The browser's last page is still on its way.
    if (!auto) await new Promise((done) => setTimeout(done, 300));
  } finally {
    await stage.close();
  }
  print("Done. Everything was stopped, and the temporary folder is gone.");
};

const unknown = process.argv.slice(2).filter((argument) => argument !== "--auto");
if (unknown.length > 0) {
  process.stderr.write(`The demo does not know ${unknown.join(" ")}. It takes --auto, or nothing.\n`);
  process.exitCode = 2;
} else {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("Stopped."));
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    await demo(process.argv.includes("--auto"), stop.signal);
  } catch (error) {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  process.off("SIGINT", interrupt);
  process.off("SIGTERM", interrupt);
}
