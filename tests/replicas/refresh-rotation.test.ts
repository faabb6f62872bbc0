import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCodes } from "../../packages/server/src/access/grants/codes.ts";
import { challengeOf } from "../../packages/server/src/access/vault/index.ts";
import { openHouse } from "../../packages/server/src/compose.ts";
import { systemClock, systemRandom } from "../../packages/server/src/ground/kernel/index.ts";
import { adminOf } from "../../packages/server/src/testing/stores.ts";
import { onPostgres, type OwnDatabase, ownDatabase } from "./database.ts";
import { sleep } from "./extent.ts";
import { adminKey, type ServerProcess, serverProcess } from "./server-process.ts";

const audience = "https://api.example/";
const verifier = "the-verifier-of-the-tests-0123456789-abcdefghijk";
const redirectUri = "http://127.0.0.1/back";
const admin = adminOf("default");

onPostgres("refresh tokens, rotated by processes that are killed", () => {
  let database: OwnDatabase;
  let replicas: readonly [ServerProcess, ServerProcess];
  let clientId: string;
  let newFamily: () => Promise<string>;
  let close: () => Promise<void>;

  const refresh = async (replica: ServerProcess, refresh_token: string) => {
    const form = new URLSearchParams({ grant_type: "refresh_token", client_id: clientId, refresh_token });
    const answer = await fetch(`${replica.url}/oauth2/token`, { method: "POST", body: form });
    return { status: answer.status, body: (await answer.json()) as { refresh_token?: string; access_token?: string; error?: string } };
  };
  const revoked = () => database.query("select id, reason from oauth_grants where status = 'revoked'");

  beforeAll(async () => {
    database = await ownDatabase();
    const env = { LEGATE_DATABASE_URL: database.url };
    replicas = [await serverProcess(env), await serverProcess(env)];
    for (const replica of replicas) await replica.start();
    // What a person does in a browser is done here by a house of the test's own, on the same store.
    const house = await openHouse({
      store: { engine: "postgres", url: database.url },
      masterKey: Buffer.alloc(32, 7),
      publicUrl: "http://127.0.0.1:8700",
      secureCookies: false,
      egressAllow: [],
      adminKey,
    });
    close = house.close;
    await house.clients.resources.create(admin, { name: "api", identifier: audience, clients: ["*"], scopes: [{ name: "read" }] });
    const app = await house.clients.apps.create(admin, { name: "desk", redirectUris: [redirectUri] });
    clientId = app.id;
    const user = await house.users.proven(admin, "https://corp.example", "alice");
    const issueCode = makeCodes({ clock: systemClock, random: systemRandom, families: house.families });
    newFamily = async () => {
      const client = await house.clients.find("default", clientId);
      if (!client) throw new Error("no client");
      const request = {
        redirectUri,
        resource: audience,
        scopes: ["read"],
        codeChallenge: challengeOf(verifier),
        dpopThumbprint: undefined,
        authTime: undefined,
      };
      const { code } = await house.db.write((tx) => issueCode(tx, admin, client, request, { nonce: undefined }, { user, tenantEpoch: 0 }));
      const form = { grant_type: "authorization_code", client_id: clientId, code, code_verifier: verifier, redirect_uri: redirectUri };
      const answer = await fetch(`${replicas[0].url}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
      return ((await answer.json()) as { refresh_token: string }).refresh_token;
    };
  }, 120_000);
  afterAll(async () => {
    await close();
    for (const replica of replicas) await replica.kill();
    await database.drop();
  });

  test("64 that spend one token at once, spread over both processes, get the same successor", async () => {
    for (let round = 0; round < 3; round += 1) {
      const one = await newFamily();
      const answers = await Promise.all(Array.from({ length: 64 }, (_, at) => refresh(at % 2 === 0 ? replicas[0] : replicas[1], one)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
      expect((await refresh(replicas[1], answers[0]?.body.refresh_token ?? "")).status).toBe(200);
    }
    expect(await revoked()).toEqual([]);
  }, 60_000);

  test("whoever lost an answer to kill -9 asks again with the same token, and no grant is lost", async () => {
    const families = await Promise.all(Array.from({ length: 12 }, newFamily));
    const counted = { done: 0, repeated: 0 };
    let over = false;
    const use = async (first: string): Promise<string> => {
      let current = first;
      for (let turn = 0; !over; turn += 1) {
        const replica = replicas[turn % 2] ?? replicas[0];
        // Whether it was spent before the process died, nobody can tell: the same token is sent again.
        const answer = await refresh(replica, current).catch(() => undefined);
        if (answer === undefined || answer.status === 503) {
          counted.repeated += 1;
          await sleep(20);
          continue;
        }
        expect(answer).toMatchObject({ status: 200 });
        current = answer.body.refresh_token ?? "";
        counted.done += 1;
      }
      return current;
    };
    const using = families.map(use);
    for (const victim of [replicas[0], replicas[1], replicas[0]]) {
      await sleep(400);
      await victim.kill();
      await sleep(100);
      await victim.start();
    }
    over = true;
    const last = await Promise.all(using);
    expect(counted.done).toBeGreaterThan(100);
    expect(counted.repeated).toBeGreaterThan(0);
    for (const token of last) expect((await refresh(replicas[1], token)).status).toBe(200);
    expect(await revoked()).toEqual([]);
  }, 120_000);

  test("one that is used again later ends its family on both, and after both were killed and started again", async () => {
    const one = await newFamily();
    const two = (await refresh(replicas[0], one)).body.refresh_token ?? "";
    // Eleven seconds pass for this family.
    await database.query("update refresh_tokens set spent_at = spent_at - 11000 where spent_at is not null");
    const reused = await refresh(replicas[1], one);
    expect(reused).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    for (const replica of replicas) expect((await refresh(replica, two)).body.error).toBe("invalid_grant");
    for (const replica of replicas) await replica.kill();
    for (const replica of replicas) await replica.start();
    for (const token of [one, two]) expect((await refresh(replicas[0], token)).body.error).toBe("invalid_grant");
    expect(await revoked()).toMatchObject([{ reason: "refresh_token_reused" }]);
  }, 60_000);
});
