import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onPostgres, type OwnDatabase, ownDatabase } from "./database.ts";
import { say, sleep, times, worst } from "./extent.ts";
import { asAdmin, askFor, makeHerd, makeHerder } from "./herd.ts";
import { type ServerProcess, serverProcess } from "./server-process.ts";
import { startStrictProvider, type StrictProvider } from "./strict-provider.ts";

onPostgres("processes that share a database", () => {
  describe.each([2, 4])("%i of them", (count) => {
    let database: OwnDatabase;
    let provider: StrictProvider;
    let servers: readonly ServerProcess[] = [];
    beforeAll(async () => {
      database = await ownDatabase();
      provider = await startStrictProvider();
      servers = await Promise.all(Array.from({ length: count }, () => serverProcess({ LEGATE_DATABASE_URL: database.url })));
      // All at once, on an empty database: one of them makes the schema, the keys and the admin.
      await Promise.all(servers.map((server) => server.start()));
      await makeHerder(servers[0]?.url ?? "", provider);
    });
    afterAll(async () => {
      await Promise.all(servers.map((server) => server.kill()));
      await provider.stop();
      await database.drop();
    });

    test("64 callers of one expired connection, spread over all processes, cause one refresh, and all get the new token", async () => {
      const urls = servers.map(({ url }) => url);
      const rounds = times(3, 50);
      const herd = await makeHerd(urls, rounds);
      await sleep(1_100);
      provider.behave({ latency: () => 50 + Math.random() * 450 });
      const took: number[] = [];
      for (const held of herd) {
        const began = performance.now();
        const told = await Promise.all(Array.from({ length: 64 }, (_, at) => askFor(urls[at % urls.length] as string, held)));
        took.push(performance.now() - began);
        expect(new Set(told.map((each) => JSON.stringify(each)))).toEqual(
          new Set([JSON.stringify({ is: "live", accessToken: `at.${held.user}.2` })]),
        );
        expect(provider.grants.get(held.user)).toMatchObject({ generation: 2, mostInFlight: 1, dead: false });
      }
      expect(provider.counts()).toMatchObject({ refreshes: rounds, answered: rounds, reuses: 0 });
      say("one refresh for 64 callers", {
        processes: count,
        rounds,
        refreshes: provider.counts().refreshes,
        slowestMs: Math.round(worst(took)),
      });
    }, 300_000);

    test("a provider that sees an old refresh token used again ends the grant: the connection says so and the record has it", async () => {
      const [first = "", last = first] = [servers[0]?.url, servers.at(-1)?.url];
      const [held] = await makeHerd([first], 1, "stolen");
      if (!held) throw new Error("no connection was made");
      await sleep(1_100);
      // Somebody else has the refresh token and used it first: ours is spent.
      await fetch(`${provider.url}/token`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: `rt.${held.user}.1` }),
      });
      expect(await askFor(first, held)).toEqual({ is: "needs_consent" });
      expect(await askFor(last, held)).toEqual({ is: "needs_consent" });
      expect(provider.grants.get(held.user)).toMatchObject({ dead: true });
      const { items } = await asAdmin("GET", `${last}/v1/audit-events?action=connection.lapsed`);
      expect(items).toEqual([expect.objectContaining({ action: "connection.lapsed", outcome: "refused" })]);
      expect(JSON.stringify(items)).not.toContain(`rt.${held.user}`);
      const { items: connections } = await asAdmin("GET", `${last}/v1/connections?limit=500`);
      const states = (connections as { state: string; user: { subject: string } }[]).filter(({ user }) => user.subject === held.user);
      expect(states).toEqual([expect.objectContaining({ state: "needs_consent" })]);
    });
  });
});
