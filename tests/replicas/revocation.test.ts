import { operations } from "@legate/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onPostgres, type OwnDatabase, ownDatabase } from "./database.ts";
import { diceOf, say, seed, sleep, times, worst } from "./extent.ts";
import { type FeedBreaker, startFeedBreaker } from "./feed-breaker.ts";
import { asAdmin } from "./herd.ts";
import { type ServerProcess, serverProcess } from "./server-process.ts";

/** Milliseconds: the promise. */
const longest = 2_000;

/** Something that can be taken back, made anew for each round. */
interface Subject {
  /** Uses it at a replica; answers the status. */
  readonly uses: readonly ((url: string) => Promise<number>)[];
  /** Takes it back at a replica. */
  readonly end: (url: string) => Promise<unknown>;
}

const statusOf = async (method: string, url: string, key: string, body?: unknown): Promise<number> => {
  const answer = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  await answer.arrayBuffer();
  return answer.status;
};

const mint = (key: string) => (url: string) => statusOf("POST", `${url}/v1/workload-tokens`, key, {});
const spend = (token: string) => (url: string) => statusOf("POST", `${url}/v1/credentials/api-key`, token, { provider: "weather" });
const look = (key: string) => (url: string) => statusOf("GET", `${url}/v1/agents?limit=1`, key);

const textOf = (answer: Record<string, unknown>, name: string): string => String(answer[name]);
const agentWithKey = async (url: string, name: string): Promise<{ readonly key: string; readonly keyId: string }> => {
  await asAdmin("POST", `${url}/v1/agents`, { name });
  const made = await asAdmin("POST", `${url}/v1/agents/${name}/keys`, {});
  return { key: textOf(made, "apiKey"), keyId: textOf(made, "id") };
};
const tokenFor = async (url: string, agent: string, userId?: string) =>
  (await asAdmin("POST", `${url}/v1/workload-tokens`, { agent, ...(userId !== undefined && { userId }) })) as {
    readonly token: string;
    readonly user?: { readonly id: string };
  };

/** What can be taken back, by name. What the wire does not offer is left out. */
const subjects: Readonly<Record<string, { readonly needs: string; readonly make: (url: string, name: string) => Promise<Subject> }>> = {
  "a suspended agent": {
    needs: "suspendAgent",
    make: async (url, name) => {
      const { key } = await agentWithKey(url, name);
      const { token } = await tokenFor(url, name);
      return { uses: [mint(key), spend(token)], end: (at) => asAdmin("POST", `${at}/v1/agents/${name}/suspend`, {}) };
    },
  },
  "a deleted agent": {
    needs: "deleteAgent",
    make: async (url, name) => {
      const { key } = await agentWithKey(url, name);
      const { token } = await tokenFor(url, name, "anybody");
      return { uses: [mint(key), spend(token)], end: (at) => asAdmin("DELETE", `${at}/v1/agents/${name}`) };
    },
  },
  "a deleted key": {
    needs: "deleteAgentKey",
    make: async (url, name) => {
      const { key, keyId } = await agentWithKey(url, name);
      return { uses: [mint(key)], end: (at) => asAdmin("DELETE", `${at}/v1/agents/${name}/keys/${keyId}`) };
    },
  },
  "a suspended user": {
    needs: "suspendUser",
    make: async (url, name) => {
      await asAdmin("POST", `${url}/v1/agents`, { name });
      const { token, user } = await tokenFor(url, name, "alice");
      return { uses: [spend(token)], end: (at) => asAdmin("POST", `${at}/v1/users/${user?.id}/suspend`, {}) };
    },
  },
  "an operator's key": {
    needs: "deleteOperator",
    make: async (url, name) => {
      const made = await asAdmin("POST", `${url}/v1/operators`, { name, role: "operator" });
      return { uses: [look(textOf(made, "key"))], end: (at) => asAdmin("DELETE", `${at}/v1/operators/${textOf(made, "id")}`) };
    },
  },
  "a suspended tenant": {
    needs: "suspendTenant",
    make: async (url, name) => {
      const made = await asAdmin("POST", `${url}/v1/tenants`, { name });
      return { uses: [look(textOf(made, "adminKey"))], end: (at) => asAdmin("POST", `${at}/v1/tenants/${name}/suspend`, {}) };
    },
  },
  "a deleted tenant": {
    needs: "deleteTenant",
    make: async (url, name) => {
      const made = await asAdmin("POST", `${url}/v1/tenants`, { name });
      return { uses: [look(textOf(made, "adminKey"))], end: (at) => asAdmin("DELETE", `${at}/v1/tenants/${name}`) };
    },
  },
  "a revoked user": {
    needs: "revokeUser",
    make: async (url, name) => {
      await asAdmin("POST", `${url}/v1/agents`, { name });
      const { token, user } = await tokenFor(url, name, "alice");
      return { uses: [spend(token)], end: (at) => asAdmin("POST", `${at}/v1/users/${user?.id}/revoke`, {}) };
    },
  },
};

onPostgres("what is taken back on one replica", () => {
  let database: OwnDatabase;
  let breaker: FeedBreaker;
  let servers: readonly ServerProcess[] = [];
  beforeAll(async () => {
    database = await ownDatabase();
    breaker = await startFeedBreaker(database.url);
    servers = await Promise.all(
      [database.url, breaker.url].map((url) => serverProcess({ LEGATE_DATABASE_URL: url, LEGATE_LOG_LEVEL: "error" })),
    );
    await Promise.all(servers.map((server) => server.start()));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await breaker.stop();
    await database.drop();
  });

  test("is refused on another within two seconds, under load, and when that one's feed of changes is broken", async () => {
    const [here = "", there = ""] = servers.map(({ url }) => url);
    const rounds = times(8, 100);
    const dice = diceOf(seed);
    await asAdmin("POST", `${here}/v1/credential-providers`, { name: "weather", type: "api_key", apiKey: "sunny" });
    const { key: busyKey } = await agentWithKey(here, "busy");
    const { token: busyToken } = await tokenFor(here, "busy", "somebody");
    const known = Object.entries(subjects).filter(([, { needs }]) => Object.hasOwn(operations, needs));
    const delays = new Map<string, number[]>(known.map(([name]) => [name, []]));
    const late: string[] = [];

    let isOver = false;
    let served = 0;
    const load = Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        while (!isOver) {
          const status = await (at % 2 ? mint(busyKey) : spend(busyToken))(at % 4 < 2 ? there : here);
          if (status === 200) served += 1;
          else late.push(`the load was refused: ${status}`);
        }
      }),
    );

    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        known.map(async ([what, { make }], at) => {
          const { uses, end } = await make(here, `round-${round}-${at}`);
          // Until now it works there, and is remembered there.
          for (const use of uses) for (let again = 0; again < 2; again += 1) expect(await use(there), what).toBe(200);
          const breaks = round % 4;
          if (breaks > 0 && at === 0) setTimeout(() => (breaks === 1 ? breaker.stall() : breaker.drop()), dice() * 400);
          await sleep(dice() * 400);
          let endedAt = Number.POSITIVE_INFINITY;
          const watch = async (use: (url: string) => Promise<number>): Promise<void> => {
            for (let refusals = 0; refusals < 10; ) {
              const sentAt = performance.now();
              const status = await use(there);
              if (status !== 200) {
                if (status >= 500) late.push(`${what}: ${status}`);
                refusals += 1;
              } else if (refusals > 0) {
                late.push(`${what}: served after it was refused`);
                return;
              } else if (sentAt > endedAt) {
                const delay = sentAt - endedAt;
                const most = delays.get(what) ?? [];
                most[round] = Math.max(most[round] ?? 0, delay);
                if (delay > longest) late.push(`${what}: still served after ${Math.round(delay)} ms`);
                if (delay > 3 * longest) return;
              }
              await sleep(8);
            }
          };
          const watching = uses.map(watch);
          await sleep(30);
          await end(here);
          endedAt = performance.now();
          await Promise.all(watching);
        }),
      );
    }
    isOver = true;
    await load;
    expect(late).toEqual([]);
    expect(breaker.broken()).toBeGreaterThan(0);
    say("taken back on one replica, refused on another", {
      rounds,
      seed,
      feedsBroken: breaker.broken(),
      servedMeanwhile: served,
      worstMs: Object.fromEntries([...delays].map(([what, all]) => [what, Math.round(worst(all.filter((each) => each !== undefined)))])),
    });
  }, 3_600_000);
});
