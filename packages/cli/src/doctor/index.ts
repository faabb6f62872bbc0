/** Looks for what keeps a server from working as it should, and says how to mend it. */
import { LegateApiError } from "@legate/sdk";
import { operations } from "@legate/contract";
import { type Command, type Context, textOf, type Typed } from "../command.ts";
import { CommandFailure, exitCodes } from "../failure.ts";
import type { Session } from "../session.ts";
import { broken, fine, type Finding, skipped } from "./finding.ts";
import { checkConfigFile, checkDataDir } from "./local.ts";
import { checkClock, checkHeaders, checkProviders, checkPublicUrl, checkReach, checkStore, installationOf, makeAsk } from "./remote.ts";

const ofTheServer = ["store", "key", "clock", "public URL", "headers", "callback URLs", "egress"] as const;

/** The whole of what is to be looked at, each part as soon as it is known. */
async function* examine(context: Context, typed: Typed): AsyncGenerator<readonly Finding[]> {
  const { world, globals } = context;
  yield [checkConfigFile(world.env.configFile, world.platform)];
  const given = textOf(typed, "data-dir") ?? world.env.dataDir;
  yield checkDataDir(given ?? "./.legate", given !== undefined, world.platform);

  let session: Session;
  try {
    session = context.session();
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    yield [broken("reach", error.message, "Say which server: run `legate login`, or give --endpoint or LEGATE_URL.")];
    yield ofTheServer.map((check) => skipped(check, "It is not known which server is meant."));
    return;
  }
  const { endpoint, operatorKey, agentKey } = session;
  const ask = makeAsk(world.fetch, Math.min(globals.timeoutMs, 10_000));
  const base = installationOf(endpoint);
  const reach = await checkReach(ask, base);
  yield [reach];
  if (reach.status === "broken") {
    yield ofTheServer.map((check) => skipped(check, "The server was not reached."));
    return;
  }
  yield [await checkStore(ask, base)];
  const key = operatorKey ?? agentKey;
  if (key === undefined) {
    yield [broken("key", `There is no key for ${endpoint}.`, `legate login --endpoint ${endpoint}`)];
    yield ofTheServer.slice(2).map((check) => skipped(check, "This takes a key."));
    return;
  }
  const client = context.client();
  try {
    // Once before, so that the clock is not told from the time it takes to connect.
    await client.whoami({ retries: 0, bearer: key });
    const before = world.clock();
    const who = await client.whoami({ retries: 0, bearer: key });
    const after = world.clock();
    const { kind, name, id, role } = who.caller;
    yield [fine("key", `It is ${kind} ${name ?? id ?? ""}${role === undefined ? "" : `, ${role}`}, in tenant ${who.tenant}.`)];
    yield [checkClock(who, before, after)];
    yield await checkPublicUrl(ask, endpoint, who);
    const addressSeenWith = async (forged: string) => {
      const headers = { authorization: `Bearer ${key}`, "x-forwarded-for": forged };
      const { json } = await ask(`${endpoint}${operations.whoami.path}`, { headers });
      return typeof json?.["address"] === "string" ? json["address"] : undefined;
    };
    yield await checkHeaders(ask, endpoint, who, addressSeenWith);
    yield await checkProviders(ask, client, who);
  } catch (error) {
    if (!(error instanceof LegateApiError) || error.status !== 401) throw error;
    yield [broken("key", "The server does not know the key.", `legate login --endpoint ${endpoint}`)];
    yield ofTheServer.slice(2).map((check) => skipped(check, "This takes a key that the server knows."));
  }
}

const marks = { ok: ["green", "ok"], warning: ["yellow", "warning"], broken: ["red", "BROKEN"], skipped: ["dim", "skipped"] } as const;

export const doctorCommand: Command = {
  path: ["doctor"],
  summary: "Look for what keeps the server from working as it should, and say how to mend it",
  about:
    "It looks at the stored keys, at the files of a server on this machine, and, by asking it, at the server: whether it is reached, its store, the\nkey, the clock, the public URL, headers on their way through proxies, callback URLs, and what the server could not call. It changes nothing.\nExits with 1 where something is broken, with 8 where there are warnings only.",
  options: [
    {
      flag: "data-dir",
      value: "path",
      file: true,
      description: "The server's data directory, on its own machine; else LEGATE_DATA_DIR, else ./.legate where there is one.",
    },
  ],
  examples: ["legate doctor", "legate doctor --data-dir /var/lib/legate --json | jq -r '.findings[] | select(.status != \"ok\")'"],
  act: async (context, typed) => {
    const { out } = context;
    const findings: Finding[] = [];
    for await (const some of examine(context, typed)) {
      findings.push(...some);
      if (out.json) continue;
      for (const { check, status, message, mend } of some) {
        const [style, word] = marks[status];
        await out.raw(
          `${out.paint(style, word.padEnd(8))} ${check.padEnd(14)} ${message}\n${mend === undefined ? "" : `${" ".repeat(24)}Mend: ${mend}\n`}`,
        );
      }
    }
    const worst = (["broken", "warning"] as const).find((status) => findings.some((finding) => finding.status === status)) ?? "ok";
    if (out.json) await out.document({ worst, findings });
    return worst === "broken" ? exitCodes.failed[0] : worst === "warning" ? exitCodes.warnings[0] : exitCodes.ok[0];
  },
};
