import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Operation, operations } from "@legate/contract";
import { expect, test } from "vitest";
import { samples } from "../../packages/server/src/front/native/bad-input-samples-for-tests.ts";
import { recordStatements } from "../../packages/server/src/testing/recorded-statements.ts";
import { openManyTenants } from "./many-tenants.ts";
import { furnish, gravity, type World } from "./world.ts";

const all = ([...Object.values(operations)] as Operation[]).sort((one, other) => gravity(one) - gravity(other));

/** What asks for no tenant, each for a reason of its own. */
const known: readonly (readonly [why: string, statement: RegExp])[] = [
  ["a key names its tenant", /from "agent_keys" where "hash" = \?/],
  ["a client secret names its tenant", /from "client_secrets" where "hash" = \?/],
  ["an access key's id names its tenant", /from "access_keys" as "k" .*where "k"\."id" = \?/],
  ["a client's id names its tenant", /from "agents" where "id" = \?/],
  ["a client's id names its tenant", /from "clients" where "id" = \?/],
  ["a key names its tenant", /from "operators" as "o" .*where "o"\."key_hash" = \?/],
  ["ids of tenants are what it asks for", /from "audit_unsealed" where "tenant_id" > \?/],
];

/** How many tables of tenants' things a statement reads or changes, and for how many of them it says whose. */
const weigh = (sql: string, owned: readonly string[]) => {
  const named = owned.flatMap((table) => [...sql.matchAll(new RegExp(`(?:from|join|update) "${table}"`, "g"))]);
  const told = [...sql.matchAll(/"tenant_id" = (?:\?|"\w+"\."tenant_id")/g)];
  return { named: named.length, told: told.length };
};

test("whatever is asked, no statement reads or changes a tenant's things without saying whose", async () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-test-"));
  const recorded = recordStatements();
  const many = await openManyTenants({ engine: "sqlite", path: join(folder, "legate.db") });
  try {
    const before = new Set(recorded.seen());
    const issuer = await many.startIssuer();
    const worlds: readonly World[] = [await furnish(many, "acme", issuer), await furnish(many, "globex", issuer)];
    // One person consents and one does not.
    for (const [at, world] of worlds.entries()) {
      const visit = await many.ask({ url: new URL(world.begun.authorizationUrl).pathname });
      const state = new URL(String(visit.headers.location)).searchParams.get("state");
      const cookie = String(visit.headers["set-cookie"]).split(";", 1)[0] ?? "";
      const said = at === 0 ? "code=one" : "error=access_denied";
      const answer = await many.ask({ url: `${new URL(world.callbackUrl).pathname}?${said}&state=${state}`, cookie });
      expect(answer.statusCode, answer.body).toBe(200);
      const read = { method: "POST", url: "/v1/credentials/oauth2", key: world.token, body: { provider: "calendar" } };
      expect((await many.ask(read)).statusCode).toBe(at === 0 ? 200 : 202);
    }
    // Once with what is there, once more when all of it was ended.
    for (const world of [...worlds, ...worlds]) {
      for (const op of all.filter(({ rights }) => !rights.includes("installation-admin"))) {
        const { params = {}, body = {} } = samples[op.id as keyof typeof samples];
        const path = op.path.replaceAll(/([\w-]+)\/\{(\w+)\}/g, (_, noun: string, param: string) => {
          const value = param === "name" ? params[param] : world.ids[noun];
          return `${noun}/${value ?? ""}`;
        });
        const key = op.rights.includes("admin") ? world.key : world.token;
        await many.ask({ method: op.method, url: path, key, body: op.method === "GET" || op.method === "DELETE" ? undefined : body });
      }
      await many.ask({ url: new URL(world.begun.authorizationUrl).pathname });
      await many.ask({ url: `${new URL(world.callbackUrl).pathname}?code=x&state=y` });
    }
    const tables = await many.house.db.read.introspection.getTables();
    const owned = tables.flatMap(({ name, columns }) => (columns.some((column) => column.name === "tenant_id") ? [name] : []));
    const heard = recorded.seen().filter((sql) => !before.has(sql));
    const missing = heard.filter((sql) => {
      if (known.some(([, statement]) => statement.test(sql))) return false;
      const { named, told } = weigh(sql, owned);
      return told < named;
    });
    expect(missing).toEqual([]);
    expect(heard.filter((sql) => weigh(sql, owned).named > 0).length).toBeGreaterThan(60);
  } finally {
    await many.close();
    recorded.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
