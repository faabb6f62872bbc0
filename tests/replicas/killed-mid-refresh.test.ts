import { dirname } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openDb, type StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { diceOf, eachOf, full, say, seed, sleep, times } from "./extent.ts";
import { asAdmin, askFor, type Held, makeHerd, makeHerder, statesOf } from "./herd.ts";
import { type ServerProcess, serverProcess } from "./server-process.ts";
import { startStrictProvider, type StrictProvider } from "./strict-provider.ts";

/** Milliseconds. */
const lease = 45_000;

/** In short, nobody waits for the leases of the dead. */
const endLeases = async (store: StoreAddress): Promise<void> => {
  const db = await openDb(store);
  await db.write((tx) => tx.updateTable("connections").set({ lease_until: 0 }).execute());
  await db.close();
};

eachStore("kill -9 between the provider's answer and the commit", (fresh) => {
  let server: ServerProcess;
  let provider: StrictProvider;
  afterEach(async () => {
    await server.kill();
    await provider.stop();
  });

  test("leaves every connection working or saying needs_consent, and none stuck", async () => {
    const rounds = times(4, 50);
    const perRound = 6;
    const dice = diceOf(seed);
    const store = await fresh();
    provider = await startStrictProvider();
    server = await serverProcess(store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: store.url });
    await server.start();
    await makeHerder(server.url, provider);
    const herd = await makeHerd([server.url], rounds * perRound);
    await sleep(1_100);

    const served = new Set<string>();
    for (let round = 0; round < rounds; round += 1) {
      const mine = herd.slice(round * perRound, (round + 1) * perRound);
      let killed: Promise<void> | undefined;
      // The first answer of a round seals the process's fate: at once, or some milliseconds later, when others' answers are on their way too.
      const after = round % 3 === 0 ? 0 : dice() * 120;
      provider.behave({
        latency: () => 20 + dice() * 6,
        onAnswered: () => {
          killed ??= (after === 0 ? Promise.resolve() : sleep(after)).then(() => server.kill());
        },
      });
      const told = await Promise.all(mine.map((held) => askFor(server.url, held)));
      await killed;
      expect(told.filter(({ is }) => is === "fault" || is === "needs_consent")).toEqual([]);
      for (const [at, { user }] of mine.entries()) if (told[at]?.is === "live") served.add(user);
      await server.start();
    }

    provider.behave({});
    await (full
      ? sleep(lease)
      : server
          .kill()
          .then(() => endLeases(store))
          .then(() => server.start()));
    const became = { live: 0, needs_consent: 0 };
    const wrong: string[] = [];
    await eachOf(herd, 8, async (held: Held) => {
      const told = await askFor(server.url, held);
      const grant = provider.grants.get(held.user);
      if (told.is === "live" && provider.isLive(told.accessToken)) became.live += 1;
      // Whoever was answered had the new refresh token stored first.
      else if (told.is === "needs_consent" && grant?.dead && !served.has(held.user)) became.needs_consent += 1;
      else wrong.push(`${held.user}: ${JSON.stringify(told)}`);
    });
    expect(wrong).toEqual([]);
    expect(await statesOf(server.url)).toEqual({
      active: became.live,
      ...(became.needs_consent > 0 && { needs_consent: became.needs_consent }),
    });
    // Each that was lost is on record, and the provider never saw two at once.
    const { items } = await asAdmin("GET", `${server.url}/v1/audit-events?action=connection.lapsed&limit=500`);
    expect(items).toHaveLength(became.needs_consent);
    expect([...provider.grants.values()].filter(({ mostInFlight }) => mostInFlight > 1)).toEqual([]);
    // The kills met what they were meant for: answers that were given and not stored.
    expect(became.needs_consent).toBeGreaterThan(0);
    say(`killed between answer and commit, ${store.engine}`, {
      rounds,
      seed,
      connections: herd.length,
      answeredBeforeTheKill: served.size,
      live: became.live,
      needsConsent: became.needs_consent,
    });
  }, 900_000);
});
